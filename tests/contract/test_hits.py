"""Exact hits of a client are counted once, also those that are being written down when it closes."""

import asyncio

from redis.asyncio import Redis

from askonce.answer import Answer, text_body
from askonce.connection import Store
from askonce.hits import Hits
from askonce.keys import Keys
from askonce.question import Question

QUESTION = Question("a", model="m", namespace="n")
ANSWER = Answer("j", "answered", body=text_body("x", model="m"))


class SlowStore(Store):
    """On its way to Redis for a while."""

    def __init__(self, url):
        super().__init__(url)
        self.under_way = asyncio.Event()

    async def script(self, *call):
        self.under_way.set()
        await asyncio.sleep(0.05)
        return await super().script(*call)


async def test_what_is_under_way_when_the_client_closes_is_counted(valkey_url, prefix):
    store, keys = SlowStore(valkey_url), Keys(prefix)
    hits = Hits(store, keys)
    hits.note([QUESTION], [ANSWER], 0.001)
    await store.under_way.wait()

    await hits.aclose()

    await store.aclose()
    async with Redis.from_url(valkey_url) as redis:
        assert await redis.hget(keys.stats("total"), "exact|n|m") == b"1"


async def test_what_waits_when_the_client_closes_is_counted_at_once(valkey_url, prefix):
    store, keys = Store(valkey_url), Keys(prefix)
    hits = Hits(store, keys)
    hits.note([QUESTION], [ANSWER], 0.001)

    await hits.aclose()

    await store.aclose()
    async with Redis.from_url(valkey_url) as redis:
        assert await redis.hget(keys.stats("total"), "exact|n|m") == b"1"

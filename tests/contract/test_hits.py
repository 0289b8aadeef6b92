"""Exact hits of a client are counted once: when it closes meanwhile, when a reply is lost, when Redis is away."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce.errors import StoreUnreachable
from askonce.question import Question
from askonce.session.hits import Hits
from askonce.store.connection import Store
from support.worker_process import until

QUESTION = Question("a", model="m", namespace="n")
ANSWER = Answer("j", "answered", body=text_body("x", model="m"))


class OddStore(Store):
    """On its way to Redis for a while. refuses: before anything is sent. loses: the reply, once."""

    def __init__(self, url):
        super().__init__(url)
        self.under_way = asyncio.Event()
        self.refuses = self.loses = False
        self.refusals = 0

    async def refused_once(self):
        return self.refusals

    async def script(self, *call):
        self.under_way.set()
        await asyncio.sleep(0.05)
        if self.refuses:
            self.refusals += 1
            raise StoreUnreachable("away")
        reply = await super().script(*call)
        if self.loses:
            self.loses = False
            raise StoreUnreachable("the reply is lost")
        return reply


@pytest.fixture
async def store(valkey_url):
    store = OddStore(valkey_url)
    yield store
    await store.aclose()


@pytest.fixture
def hits(store, prefix):
    return Hits(store, Keys(prefix), "client")


@pytest.fixture
async def counted(valkey_url, prefix):
    async with Redis.from_url(valkey_url) as redis:

        async def counted():
            return int(await redis.hget(Keys(prefix).stats("total"), "exact|n|m") or 0)

        yield counted


async def test_what_is_under_way_when_the_client_closes_is_counted(store, hits, counted):
    hits.note(QUESTION, ANSWER, 0.001)
    await store.under_way.wait()
    await hits.aclose()
    assert await counted() == 1


async def test_what_waits_when_the_client_closes_is_counted_at_once(hits, counted):
    hits.note(QUESTION, ANSWER, 0.001)
    await hits.aclose()
    assert await counted() == 1


async def test_a_lost_reply_counts_nothing_twice(store, hits, counted):
    store.loses = True
    hits.note(QUESTION, ANSWER, 0.001)
    await store.under_way.wait()
    hits.note(QUESTION, ANSWER, 0.001)
    await hits.aclose()
    assert await counted() == 2


async def test_what_redis_did_not_take_is_counted_later(store, hits, counted):
    store.refuses = True
    hits.note(QUESTION, ANSWER, 0.001)
    await store.under_way.wait()
    hits.note(QUESTION, ANSWER, 0.001)
    await until(lambda: store.refused_once(), what="a refusal")
    assert await counted() == 0
    store.refuses = False
    await hits.aclose()
    assert await counted() == 2

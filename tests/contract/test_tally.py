"""Figures of what was paid reach Redis exactly once."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError  # noqa: A004

from askonce import Question
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce_worker.answering.ports import Finished
from askonce_worker.cache.publisher import Publisher
from askonce_worker.providers.call_counts import CallCounts
from support.scripts_fixture import Scripts
from support.valkey_fixture import own_valkey  # noqa: F401

QUESTION = Question("?", model="m", namespace="n")


class Flaky(Redis):
    """Loses the reply to a pipeline, once, after Redis has done what it says."""

    lose = False

    def pipeline(self, **options):
        pipe = super().pipeline(**options)
        execute = pipe.execute

        async def lossy(**how):
            replies = await execute(**how)
            if self.lose:
                self.lose = False
                raise ConnectionError("the reply is lost")
            return replies

        pipe.execute = lossy
        return pipe


@pytest.fixture
async def redis(valkey_url):
    redis = Flaky.from_url(valkey_url)
    yield redis
    await redis.aclose()


async def test_what_was_counted_goes_out_once_even_if_it_is_sent_twice(redis, prefix):
    keys, counts = Keys(prefix), CallCounts()
    publisher = Publisher(
        redis, keys, worker="w", counts=counts, embedding="e", cache_ttl=9, result_ttl=9, outbox_max=0, compress=True
    )
    counts.called(QUESTION)
    await publisher.aclose()
    counts.called(QUESTION)
    counts.paid(QUESTION, {"usage": {"prompt_tokens": 7, "completion_tokens": 2}})
    redis.lose = True
    await publisher.aclose()  # the reply is lost: it goes out again
    counts.called(QUESTION)
    await publisher.aclose()
    await publisher.aclose()
    await publisher.aclose()

    counted = await redis.hgetall(keys.stats("total"))
    assert counted == {b"calls|n|m": b"3", b"tokens_in|n|m": b"7", b"tokens_out|n|m": b"2"}


async def test_an_answer_on_its_way_when_the_worker_stops_arrives(own_valkey, prefix):  # noqa: F811
    """Also where nobody waits for it any more: it is paid for."""
    async with Redis.from_url(own_valkey.url, protocol=2) as redis:
        scripts, counts = Scripts(redis, Keys(prefix)), CallCounts()
        publisher = Publisher(
            redis,
            scripts.keys,
            worker="w",
            counts=counts,
            embedding="e",
            cache_ttl=9,
            result_ttl=9,
            outbox_max=0,
            compress=True,
        )
        question = QUESTION.with_fields(job_id="a")
        await scripts.submit("a", namespace="n", prints=[question.fingerprint])
        await redis.client_pause(300)
        body = text_body("paid", model="m")
        sending = asyncio.create_task(publisher.send([Finished(question, Answer("a", "answered", "llm", body=body))]))
        await asyncio.sleep(0)
        sending.cancel()
        await publisher.aclose()
        assert b'"paid"' in await scripts.marker("a", "n")


async def test_two_workers_add_up(redis, prefix):
    keys = Keys(prefix)
    for name in ("one", "two"):
        counts = CallCounts()
        publisher = Publisher(
            redis,
            keys,
            worker=name,
            counts=counts,
            embedding="e",
            cache_ttl=9,
            result_ttl=9,
            outbox_max=0,
            compress=True,
        )
        counts.failed(QUESTION)
        await publisher.aclose()
    assert await redis.hgetall(keys.stats("total")) == {b"call_errors|n|m": b"2"}

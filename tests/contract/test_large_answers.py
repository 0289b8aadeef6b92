"""Answers of many megabytes: what is sent, published and looked up at once is bounded in bytes."""

import asyncio
import tracemalloc

import orjson
import pytest
from redis.asyncio import Redis

from askonce import Client, Question
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.publisher import Publisher
from askonce_worker.providers.call_counts import CallCounts
from support.valkey_fixture import own_valkey  # noqa: F401

MIB = 1_048_576


@pytest.fixture
async def redis(own_valkey):  # noqa: F811
    client = Redis.from_url(own_valkey.url)
    yield client
    await client.aclose()


def questions(count):
    return [Question(f"question {number}", model="m", namespace="n", job_id=f"j{number}") for number in range(count)]


def publisher_to(redis, prefix):
    counts = CallCounts()
    return Publisher(
        redis,
        Keys(prefix),
        worker="w",
        counts=counts,
        embedding="e",
        cache_ttl=60,
        result_ttl=60,
        outbox_max=0,
        compress=True,
    )


async def pending(redis, prefix, asked):
    for question in asked:
        marker = f'{{"fingerprint":"{question.fingerprint}","deadline":9,"at":1,"job":"bulk:x"}}'
        await redis.set(Keys(prefix).result("n", question.job_id), marker)


async def test_large_answers_go_out_one_by_one_and_all_arrive(redis, prefix):
    asked, publisher = questions(24), publisher_to(redis, prefix)
    await pending(redis, prefix, asked)
    body = text_body("x" * (3 * MIB), model="m")
    await redis.config_resetstat()

    async def send(question):
        answer = Answer(question.job_id, "answered", "llm", model="m", body=body)
        await publisher.send([Finished(question, answer)], entries=[NewEntry(question, body, "0.0.0.0", None)])

    await asyncio.gather(*map(send, asked))
    for question in asked:
        record = orjson.loads(await redis.get(Keys(prefix).result("n", question.job_id)))
        assert record["status"] == "answered"
        assert await redis.exists(Keys(prefix).entry(question.fingerprint))
    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert calls >= 2 * len(asked), "a store and a publish each"
    await publisher.aclose()


async def test_a_chunk_of_large_answers_is_published_in_parts(redis, prefix):
    asked, publisher = questions(16), publisher_to(redis, prefix)
    await pending(redis, prefix, asked)
    body = text_body("x" * MIB, model="m")
    await publisher.send([])
    await redis.config_resetstat()
    await publisher.send([Finished(each, Answer(each.job_id, "answered", "exact", body=body)) for each in asked])
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] >= 8
    for question in asked:
        assert b'"answered"' in (await redis.getrange(Keys(prefix).result("n", question.job_id), 0, 200))
    await publisher.aclose()


async def test_large_answers_are_stored_a_few_at_a_time(own_valkey, prefix):  # noqa: F811
    body = text_body("x" * (2 * MIB), model="m")
    async with Client(own_valkey.url, key_prefix=prefix) as client:
        tracemalloc.start()
        try:
            stored = await asyncio.gather(*(client.store(question, body) for question in questions(96)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert stored == [True] * 96
        assert peak < 100 * MIB
        for question in questions(96):
            assert await client.lookup(question) is not None


async def test_many_small_answers_still_share_a_round_trip(redis, prefix):
    asked, publisher = questions(200), publisher_to(redis, prefix)
    await pending(redis, prefix, asked)
    body = text_body("yes", model="m")
    await publisher.send([])
    await redis.config_resetstat()
    await publisher.send([Finished(each, Answer(each.job_id, "answered", "exact", body=body)) for each in asked])
    assert (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"] <= 2
    await publisher.aclose()


async def test_large_entries_are_looked_up_in_several_replies_and_none_is_missed(redis, prefix):
    asked, publisher = questions(12), publisher_to(redis, prefix)
    await pending(redis, prefix, asked)
    for number, question in enumerate(asked):
        body = text_body("x" * (3 * MIB if number % 3 else 10), model="m")
        await publisher.send((), entries=[NewEntry(question, body, "0.0.0.0", None)])
    cache = ExactCache(redis, Keys(prefix))
    await redis.config_resetstat()
    found = await cache.look_up(asked)
    assert [each.pending for each in found] == [True] * 12
    lengths = [len(each.entry.body["choices"][0]["message"]["content"]) for each in found]
    assert lengths == [3 * MIB if number % 3 else 10 for number in range(12)]
    again = await cache.live_entries([each.fingerprint for each in asked], asked)
    assert len(again.entries) == 12
    calls = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert calls >= 10, "no reply had more than a few of them"
    await publisher.aclose()


async def test_of_an_answer_under_a_job_id_only_the_beginning_is_read(redis, prefix):
    [question] = questions(1)
    record = b'{"fingerprint":"%b","status":"answered","body":"%b"}' % (question.fingerprint.encode(), b"x" * 9 * MIB)
    await redis.set(Keys(prefix).result("n", question.job_id), record)
    before = (await redis.info("stats"))["total_net_output_bytes"]
    [found] = await ExactCache(redis, Keys(prefix)).look_up([question])
    assert not found.pending
    assert (await redis.info("stats"))["total_net_output_bytes"] - before < MIB

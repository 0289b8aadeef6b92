"""A Redis that refuses writes for a while: answers that were paid for wait for it, and are kept."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.answer import Answer
from askonce.contract.completion import text_body
from askonce.contract.keys import Keys
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.cache.publisher import Publisher
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.redis.connection import connect_redis
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until


@pytest.fixture
async def redis(own_valkey):  # noqa: F811
    client = Redis.from_url(own_valkey.url)
    yield client
    await client.aclose()


REFUSALS = [("min-replicas-to-write", "1", "0"), ("replicaof", "127.0.0.1 1", "no one")]
"""What makes it refuse writes, and what lets it take them again: NOREPLICAS, READONLY."""


async def order(redis, name, value):
    if name == "replicaof":
        await redis.execute_command("REPLICAOF", *value.split())
    else:
        await redis.config_set(name, value)


@pytest.mark.parametrize(("name", "refusing", "taking"), REFUSALS)
async def test_answers_wait_until_redis_takes_writes_and_none_is_lost(
    redis,
    own_valkey,  # noqa: F811
    prefix,
    name,
    refusing,
    taking,
):
    keys, own = Keys(prefix), connect_redis(own_valkey.url)
    publisher = Publisher(
        own,
        keys,
        worker="w",
        counts=CallCounts(),
        embedding="e",
        cache_ttl=60,
        result_ttl=60,
        outbox_max=0,
        compress=True,
    )
    asked = [Question(f"{number}", model="m", namespace="n", job_id=f"j{number}") for number in range(20)]
    for question in asked:
        marker = f'{{"fingerprint":"{question.fingerprint}","deadline":9,"at":1,"job":"bulk:x"}}'
        await redis.set(keys.result("n", question.job_id), marker)
    body = text_body("paid for", model="m")
    await order(redis, name, refusing)

    async def send(question):
        answer = Answer(question.job_id, "answered", "llm", model="m", body=body)
        await publisher.send([Finished(question, answer)], entries=[NewEntry(question, body, "0.0.0.0", None)])

    sending = asyncio.gather(*map(send, asked))

    async def refused():
        errors = await redis.info("errorstats")
        return any(found.removeprefix("errorstat_") in ("NOREPLICAS", "READONLY") for found in errors)

    await until(refused, what="a refusal")
    assert not sending.done()
    await order(redis, name, taking)
    async with asyncio.timeout(30):
        await sending
    for question in asked:
        assert b'"answered"' in await redis.get(keys.result("n", question.job_id))
        assert await redis.exists(keys.entry(question.fingerprint))
    await publisher.aclose()
    await own.aclose()

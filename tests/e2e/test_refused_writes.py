# ruff: noqa: F811
"""A Redis that refuses writes for a while: what was paid for waits in memory, and is published once."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce import Question
from support.asking import calls, client_for, until_asked
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import workers

REFUSED_FOR = 4.0


@pytest.fixture
def settings(own_valkey, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": own_valkey.url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_LEASE": "2",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


async def test_calls_that_end_while_redis_refuses_writes_are_paid_once_and_cached(settings, llm_server):
    await llm_server.control(chat={"latency_ms": 1500})
    bypassing = [Question(f"what is {n}? [b{n}]", cache="bypass") for n in range(20)]
    cached = [Question(f"who is {n}? [c{n}]") for n in range(20)]
    async with (
        client_for(settings, chunk_size=4) as client,
        Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis,
        workers(1, settings),
    ):
        ids = await client.submit_many([*bypassing, *cached])
        await until_asked(llm_server, 40)
        await redis.config_set("min-replicas-to-write", 1)
        await asyncio.sleep(REFUSED_FOR)  # the time of the refusal is what is tested
        await redis.config_set("min-replicas-to-write", 0)
        answers = [answer async for answer in client.as_completed(ids, timeout=60)]
        assert {answer.source for answer in answers} == {"llm"}
        assert await calls(llm_server) == 40
        again = [await client.ask(question, timeout=30) for question in cached]
        assert {answer.source for answer in again} == {"exact"}

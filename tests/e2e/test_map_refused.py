"""A Redis that refuses writes for a moment, as one does that has lost its replicas, ends no `map`."""

import asyncio

import pytest
from redis.asyncio import Redis

from askonce import Client
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import workers

MODEL = "test-model"


@pytest.mark.parametrize("seconds", [0.5, 3.0])
async def test_a_map_outlives_a_redis_that_refuses_writes(own_valkey, llm_server, prefix, seconds):  # noqa: F811
    settings = {"ASKONCE_REDIS_URL": own_valkey.url, "ASKONCE_KEY_PREFIX": prefix}
    settings |= {"OPENAI_BASE_URL": llm_server.base_url, "OPENAI_API_KEY": "test"}
    redis = Redis.from_url(own_valkey.url)
    async with redis, workers(1, settings), Client(own_valkey.url, key_prefix=prefix, model=MODEL) as client:
        answers = client.map((f"q{number}" for number in range(400)), in_flight=64)
        texts = [(await anext(answers))[1].text for _ in range(50)]
        refusing = asyncio.create_task(refuse(redis, seconds))
        texts += [answer.text async for _, answer in answers]
        await refusing
    assert texts == [f"answer to: q{number}" for number in range(400)]


async def refuse(redis, seconds):
    await redis.config_set("min-replicas-to-write", 1)
    await asyncio.sleep(seconds)
    await redis.config_set("min-replicas-to-write", 0)

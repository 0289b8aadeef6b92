"""A cache that stays right, with real workers: invalidation under load, and what the periodic jobs do by themselves."""

import asyncio
import random
import time
from collections import Counter

import orjson
import pytest

from askonce import Client, Question
from support.cache import Cache
from support.worker_process import until, workers

MODEL = "test-model"


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_QDRANT_URL": qdrant_url,
        "ASKONCE_EMBEDDING_MODEL": "e5",
        "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
        "ASKONCE_LEASE": "1",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


@pytest.fixture
async def cache(valkey_url, qdrant_url, prefix):
    cache = Cache(valkey_url, qdrant_url, prefix, dimension=384)
    yield cache
    await cache.aclose()


@pytest.fixture
async def client(settings):
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"], model=MODEL) as client:
        yield client


class Load:
    """Asks all the time, in the same and in other words. told: (when it was asked, which answer came, from where)."""

    WORDS = ("How tall is", "What height has", "Please tell me: how tall is")

    def __init__(self, client):
        self.client = client
        self.told = []
        self.random = random.Random(11)
        self.stopped = False

    async def run(self):
        while not self.stopped:
            number = self.random.randrange(8)
            text = f"{self.random.choice(self.WORDS)} tower number {number}? [g{number}]"
            began = time.monotonic()
            answer = await self.client.ask(text, timeout=30)
            self.told.append((began, answer.text, answer.source))

    def since(self, moment):
        return [(text, source) for began, text, source in self.told if began >= moment]


FORMS = ({"all": True}, {"model": MODEL}, {"namespace": "default"}, {"model": MODEL, "namespace": "default"})


async def test_under_load_no_answer_is_stale_after_the_call_returns(client, settings, llm_server):
    await llm_server.control(chat={"latency_ms": [5, 120], "answer": "generation 0"})
    load, since = Load(client), 0.0

    async def asked_enough():
        return len(load.since(since)) >= 200

    async with workers(2, settings), asyncio.TaskGroup() as group:
        for _ in range(24):
            group.create_task(load.run())
        await until(asked_enough, what="the first answers")
        for generation, form in enumerate(FORMS, 1):
            await llm_server.control(chat={"answer": f"generation {generation}"})
            await client.invalidate(**form)
            since = time.monotonic()
            await until(asked_enough, what=f"answers after {form}")
            assert {text for text, _ in load.since(since)} == {f"generation {generation}"}, Counter(load.since(since))
        load.stopped = True
    sources = Counter(source for _, _, source in load.told)
    assert sources.keys() == {"exact", "semantic", "inflight", "llm"}


async def test_what_has_expired_is_cleared_away_by_itself(client, settings, cache):
    async with workers(1, settings):
        await client.ask(Question("Short? [g1]", ttl=1), timeout=60)
        await client.ask(Question("Long? [g2]"), timeout=60)
        kept = [Question("Long? [g2]", model=MODEL, namespace="default").fingerprint]

        async def only_the_long_one():
            return await cache.holds(kept)

        await until(only_the_long_one, what="the short one to leave both sides")


async def test_a_model_upgrade_is_noticed_by_itself(client, settings, llm_server, cache):
    async with workers(1, settings) as [worker]:
        await client.ask("The old one? [g1]", timeout=60)

        async def first_is_known():
            return await cache.redis.hexists(cache.keys.models, MODEL)

        await until(first_is_known, what="the first snapshot")
        newer = {"model": "test-model-2025-01-31"}
        await llm_server.fail("chat", "reply", reply=newer)
        for number in range(2, 12):
            assert (await client.ask(f"The new one? [g{number}]", timeout=60)).model == newer["model"]
        run = orjson.loads(await cache.redis.hget(cache.keys.snapshot_runs, MODEL))
        long_ago = orjson.dumps({**run, "since": run["since"] - 700})  # as if it had answered alone for a while
        await cache.redis.hset(cache.keys.snapshot_runs, MODEL, long_ago)

        async def old_one_is_gone():
            return await client.lookup("The old one? [g1]") is None

        await until(old_one_is_gone, what="the old snapshot's entry to go")
        assert [await client.lookup(f"The new one? [g{number}]") is None for number in range(2, 12)] == [False] * 10
        assert "model.upgraded" in worker.log.read_text()


@pytest.mark.parametrize(
    ("changed", "was", "becomes"),
    [
        ({"ASKONCE_EMBEDDING_MODEL": "e6"}, "e5-384", "e6-384"),
        ({"ASKONCE_EMBEDDING_DIMENSIONS": "64"}, "e5-384", "e5-64"),
    ],
)
async def test_a_changed_embedding_is_filled_in_the_background(
    client, settings, cache, llm_server, changed, was, becomes
):
    async with workers(1, settings):
        for number in range(5):
            await client.ask(f"Which one? [g{number}]", timeout=60)

        async def stored():
            return len(await cache.vectors_of(cache.collection)) == 5

        await until(stored, what="the vectors")
    old, created = cache.collection, {"created_at": 1}
    for name in (await cache.sides())[0]:  # as if they had been there for longer than a vector may take to arrive
        raw = await cache.redis.get(cache.keys.entry(name))
        head, _, rest = raw.partition(b",")
        assert head.startswith(b'{"created_at":')
        await cache.redis.set(cache.keys.entry(name), b'{"created_at":%d,' % created["created_at"] + rest, keepttl=True)
    await cache.redis.hset(cache.keys.collections, old, 1)

    filled = old.replace(was, becomes)
    async with workers(1, {**settings, **changed}) as [worker]:

        async def moved():
            return await cache.collections() == [filled]

        await until(moved, what="the new collection alone", seconds=40)
        assert len(await cache.vectors_of(filled)) == 5, worker.tail()
        again = await client.ask("Tell me, which one? [g3]", timeout=60)
    assert again.source == "semantic"
    assert (await llm_server.stats())["chat"]["calls"] == 5

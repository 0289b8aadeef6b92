"""Qdrant or Redis away under load, or Redis full: nothing is lost, and what waited arrives."""

import asyncio

import pytest

from askonce import QueueFull
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.asking import Bench, client_for, collected, settings_for, until_asked
from support.valkey_fixture import own_valkey  # noqa: F401
from support.worker_process import until, workers

AWAY = 2.0
MAX_MEMORY = 64 << 20


async def under_load(bench, first):
    """120 questions, of which some are answered and most are not. Returns ids and texts."""
    texts = [f"who owns house {number}? [g{number}]" for number in range(first, first + 120)]
    await bench.llm.reset()
    await bench.llm.control(chat={"latency_ms": [100, 1000]})
    ids = await bench.client.submit_many(texts)
    await bench.until_answered(ids, 20)
    return ids, texts


async def answered_right(bench, ids, texts):
    answers = await collected(bench.client, ids, seconds=40)
    return [answer.text for answer in answers] == [f"answer to: {text}" for text in texts]


async def qdrant_is_away_and_vectors_arrive_when_it_is_back(bench, qdrant, semantic):
    ids, texts = await under_load(bench, 1000)
    await asyncio.to_thread(qdrant.stop)
    assert await answered_right(bench, ids, texts)
    assert await bench.redis.xlen(bench.keys.outbox) > 0, "nothing had to wait"
    await asyncio.to_thread(qdrant.__enter__)

    async def all_there():
        return await bench.redis.xlen(bench.keys.outbox) == 0

    await until(all_there, seconds=60, what="an empty outbox")
    assert await semantic.count() == len(texts)


async def redis_restarts_and_nothing_is_lost(bench, valkey):
    ids, texts = await under_load(bench, 2000)
    waiting = asyncio.create_task(answered_right(bench, ids, texts))
    published = await bench.results(ids)
    await asyncio.to_thread(valkey.stop)
    await asyncio.sleep(AWAY)
    await asyncio.to_thread(valkey.start)
    assert await waiting
    now = await bench.results(ids)
    assert {job_id: now[job_id] for job_id in published} == published
    paid = await bench.calls_of(texts)
    assert {paid[text] for job_id, text in zip(ids, texts, strict=True) if job_id in published} == {1}
    await bench.until_no_job_is_left()


async def redis_is_nearly_full_and_answers_go_on_without_the_cache(bench, *, used):
    """used: of its memory, from 1 on more than there is."""
    numbers = range(int(used * 10_000), int(used * 10_000) + 40)
    kept, later, *texts = [f"who owns house {number}? [g{number}]" for number in numbers]
    await bench.llm.reset()
    assert (await bench.client.ask(kept)).source == "llm"
    await bench.llm.control(chat={"latency_ms": 1500})
    ids = await bench.client.submit_many(texts)
    await until_asked(bench.llm, len(texts))
    taken = (await bench.redis.info("memory"))["used_memory"]
    await bench.redis.setrange("ballast", int(MAX_MEMORY * used) - taken, b"x")
    await bench.redis.config_set("maxmemory", MAX_MEMORY)
    assert await answered_right(bench, ids, texts)
    await bench.until_no_job_is_left()
    with pytest.raises(QueueFull):
        await bench.client.submit(later)
    assert [await bench.client.lookup(text) for text in texts] == [None] * len(texts)

    async def evicted():
        return await bench.client.lookup(kept) is None

    await until(evicted, what="the eviction of what was cached before")
    await bench.redis.delete("ballast")
    await bench.llm.reset()
    assert (await bench.client.ask(later)).source == "llm"
    assert (await bench.client.ask(later)).source == "exact"
    await bench.redis.config_set("maxmemory", 0)

    async def unbounded():
        return int(await bench.redis.hget(bench.keys.load, "most")) == 0

    await until(unbounded, what="a queue without a bound")


async def test_nothing_is_lost_while_qdrant_or_redis_is_away_or_redis_full(
    own_valkey,  # noqa: F811
    llm_server,
    prefix,
    tmp_path,
):
    qdrant = Stack(choose_parts(["qdrant"], data_dir=tmp_path))
    settings = settings_for(own_valkey.url, qdrant.environment["ASKONCE_QDRANT_URL"], llm_server, prefix)
    channel = QdrantChannel(settings["ASKONCE_QDRANT_URL"])
    semantic = QdrantSemanticCache(
        channel, embedding_model=settings["ASKONCE_EMBEDDING_MODEL"], now=lambda: 0.0, prefix=prefix
    )
    try:
        await asyncio.to_thread(qdrant.__enter__)
        async with (
            client_for(settings, chunk_size=10) as client,
            Bench(settings, client, llm_server) as bench,
            workers(2, settings),
        ):
            await qdrant_is_away_and_vectors_arrive_when_it_is_back(bench, qdrant, semantic)
            await redis_restarts_and_nothing_is_lost(bench, own_valkey)
            await redis_is_nearly_full_and_answers_go_on_without_the_cache(bench, used=0.9)
            await redis_is_nearly_full_and_answers_go_on_without_the_cache(bench, used=1.1)
    finally:
        await channel.close()
        await asyncio.to_thread(qdrant.stop)

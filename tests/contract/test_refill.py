"""A collection is filled anew: by all workers together, as fast as the embedding server gives, and at a known price."""

import asyncio
import contextlib
import time

import pytest
from structlog.testing import capture_logs

from askonce.contract.keys import FILLED, FILLING
from askonce.operator.admin import Admin
from askonce.tasks import stop
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.check.cache_state import vectors
from askonce_worker.settings import Settings
from askonce_worker.upkeep import refill
from askonce_worker.upkeep.refill_news import SAMPLE, pace_of
from support.adapters import embedder_for
from support.cache import Cache
from support.ports import free_port
from support.worker_process import until

ENTRIES = 3000


@pytest.fixture
async def cache(valkey_url, embedded_qdrant_url, prefix):
    cache = Cache(valkey_url, embedded_qdrant_url, prefix, dimension=384)
    yield cache
    await cache.aclose()


@pytest.fixture
async def embedders(llm_server):
    """Of as many workers as are needed."""
    opened = []

    def make():
        opened.append(embedder_for(llm_server))
        return opened[-1]

    yield make
    for embedder in opened:
        await embedder.close()


@contextlib.asynccontextmanager
async def working(cache, *embedders):
    """Workers that embed what is ordered; the sweep, as one of them, orders."""
    cache.embedder = embedders[0]

    async def sweep():
        while True:
            if not await cache.fill().run(1):
                await asyncio.sleep(0.05)

    workers = [cache.refill(worker=f"w{number}", embedder=each) for number, each in enumerate(embedders)]
    tasks = [asyncio.create_task(each) for each in (sweep(), *(worker.run() for worker in workers))]
    try:
        yield
    finally:
        await stop(*tasks)


async def filled(cache, names):
    async def whole():
        return await cache.vectors_of(cache.collection) == set(names) and not await ordered(cache)

    await until(whole, what="all vectors", seconds=60)


async def ordered(cache):
    return await cache.redis.xlen(cache.keys.refill(cache.model))


async def seen(server):
    return (await server.stats())["embeddings"]


async def put(cache, count=ENTRIES):
    return await cache.put(*(f"How high is tower {number}?" for number in range(count)), vectors=False)


async def test_a_server_that_takes_much_at_once_gets_much_at_once(cache, embedders, llm_server):
    await llm_server.control(embeddings={"latency_ms": 100})
    names = await put(cache)
    async with working(cache, embedders()):
        await filled(cache, names)
    stats = await seen(llm_server)
    assert stats["inputs"] == ENTRIES, "each text was embedded once"
    assert stats["calls"] < ENTRIES / 30, "sixteen at a time, as at first, would be 190 requests"


async def test_a_server_that_is_slow_with_each_text_gets_little_at_once(cache, embedders, llm_server):
    await llm_server.control(embeddings={"ms_per_input": 20})
    names = await put(cache, 300)
    async with working(cache, embedders()):
        await filled(cache, names)
    assert (await seen(llm_server))["max_batch"] <= 128, "what it does in about a second, and twice that while seeking"


async def test_two_workers_share_the_work(cache, embedders, llm_server):
    await llm_server.control(embeddings={"latency_ms": 50})
    names = await put(cache)
    workers = [embedders(), embedders()]
    async with working(cache, *workers):
        await filled(cache, names)
    assert min(each.counts["texts"] for each in workers) > 0
    assert (await seen(llm_server))["inputs"] <= ENTRIES + SAMPLE, "none twice, but what measured the pace"


async def test_what_a_dead_worker_had_taken_is_done_by_another(cache, embedders, llm_server, monkeypatch):
    names = await put(cache, 1000)
    await llm_server.fail("embeddings", "hang")
    dying = asyncio.create_task(cache.refill(worker="dying", embedder=embedders()).run())
    await cache.fill().run(1)

    async def hangs():
        return (await seen(llm_server))["in_flight"] > 0

    await until(hangs, what="a request that hangs")
    await stop(dying)
    await llm_server.control(embeddings={"failures": []})
    monkeypatch.setattr(refill, "STUCK_MS", 0)
    async with working(cache, embedders()):
        await filled(cache, names)


async def test_while_the_embedding_server_is_away_the_orders_wait(cache, embedders, llm_server):
    names = await put(cache, 500)
    await llm_server.fail("embeddings", "status", status=503)
    away = embedder_for(llm_server, patience=0.1)
    async with working(cache, away):

        async def all_wait():
            return away.counts["embeddings_down"] > 0 and await ordered(cache) == 500

        await until(all_wait, what="500 orders that wait, though some were tried")
        await llm_server.control(embeddings={"failures": []})
        await filled(cache, names)
    await away.close()


async def test_while_qdrant_is_away_no_text_is_embedded_twice(cache, embedders, llm_server):
    names = await put(cache, 300)
    await cache.fill().run(1)
    embedder, there = embedders(), cache.semantic
    client = QdrantChannel(f"http://127.0.0.1:{free_port()}")
    cache.semantic = QdrantSemanticCache(client, embedding_model=cache.model, now=time.time, prefix=cache.prefix)
    with capture_logs() as logs:
        trying = asyncio.create_task(cache.refill(worker="w0", embedder=embedder).run())

        async def tried_again():
            return sum(log["event"] == "refill.waiting" for log in logs) >= 3

        await until(tried_again, what="three tries", seconds=60)
        await stop(trying)
    await cache.semantic.close()
    cache.semantic = there
    assert (await seen(llm_server))["inputs"] == 300
    async with working(cache, embedder):
        await filled(cache, names)


async def test_its_cost_is_told_before_it_begins_and_how_far_it_is_until_it_ends(
    cache, embedders, llm_server, valkey_url, embedded_qdrant_url
):
    settings = Settings(
        redis_url=valkey_url,
        qdrant_url=embedded_qdrant_url,
        key_prefix=cache.prefix,
        embedding_model=cache.model,
        similarity_threshold=0.9,
        OPENAI_BASE_URL=llm_server.base_url,
        OPENAI_API_KEY="test",
    )
    await put(cache, 400)
    for name in (await cache.sides())[0]:  # as if they had been there for longer than a vector may take to arrive
        raw = await cache.redis.get(cache.keys.entry(name))
        await cache.redis.set(cache.keys.entry(name), b'{"created_at":1,' + raw.partition(b",")[2], keepttl=True)
    assert "to be filled: 400 texts, about 2," in (await vectors(settings, cache.redis)).state

    cache.embedder = embedders()
    with capture_logs() as logs:
        await cache.fill().run(1)
        await cache.fill().run(1)
    [told] = [log for log in logs if log["event"] == "upkeep.refill"]
    assert told["estimate"].startswith("400 texts, about 2,")
    assert "texts/s" in told["estimate"]
    await cache.redis.hset(cache.keys.upkeep, FILLED, 100)
    assert "being filled: 100 of about 400 texts" in (await vectors(settings, cache.redis)).state
    async with Admin(valkey_url, key_prefix=cache.prefix) as admin:
        now = await admin.now()
        assert (now.vectors_filling, now.vectors_filled) == (400, 100)

    with capture_logs() as logs:
        async with working(cache, cache.embedder):

            async def ended():
                return not await cache.redis.hexists(cache.keys.upkeep, FILLING)

            await until(ended, what="the end of the refill", seconds=60)
    assert [log["vectors"] for log in logs if log["event"] == "upkeep.refilled"] == [500]


async def test_what_is_asked_meanwhile_goes_first(cache, embedders, llm_server):
    await llm_server.control(embeddings={"ms_per_input": 5})
    names = await put(cache, 1000)
    embedder = embedders()
    async with working(cache, embedder):

        async def busy():
            return (await seen(llm_server))["calls"] >= 3

        await until(busy, what="the refill to be under way")
        before = (await seen(llm_server))["inputs"]
        for lane in ("bulk", "interactive"):
            await embedder.embed([f"Asked now, in {lane}?"], lane=lane)
        after = (await seen(llm_server))["inputs"]
        assert after - before < 700, "not after the thousand that were ordered"
        await filled(cache, names)


async def test_without_an_answer_the_pace_is_not_made_up(llm_server):
    await llm_server.fail("embeddings", "status", status=503)
    embedder = embedder_for(llm_server, patience=0.1)
    assert await pace_of(embedder)(["a", "b"]) is None
    await embedder.close()

"""Vectors on their way to Qdrant: what is refused, who takes over from whom, and what never gets in."""

import asyncio
import contextlib

import numpy as np
import orjson
import pytest

from askonce import Question
from askonce.contract.completion import text_body
from askonce.tasks import stop
from askonce_worker.answering.ports import NewEntry, VectorRefused
from askonce_worker.cache.outbox import GROUP
from askonce_worker.cache.publisher import Publisher
from askonce_worker.cache.qdrant_messages import collection_of
from askonce_worker.providers.call_counts import CallCounts
from support.adapters import embedder_for
from support.cache import DIMENSION, Cache
from support.worker_process import until

FACTS = {"scope": "s", "epochs": "0.0.0.0", "model": "m", "namespace": "n", "created_at": 1, "expires_at": 2**40}


@pytest.fixture
async def cache(valkey_url, qdrant_url, prefix):
    cache = Cache(valkey_url, qdrant_url, prefix)
    yield cache
    await cache.aclose()


@contextlib.asynccontextmanager
async def draining(cache):
    outbox = cache.outbox()
    task = asyncio.create_task(outbox.run())
    try:
        yield outbox
    finally:
        await stop(task)


async def drained(cache):
    async def empty():
        return await cache.redis.xlen(cache.keys.outbox) == 0

    await until(empty, what="an empty outbox")


async def put(cache, *fingerprints):
    """Vectors as store_entries.lua leaves them."""
    record = orjson.dumps({**FACTS, "embedding": cache.model})
    vector = np.ones(DIMENSION, np.float32).tobytes()
    for fingerprint in fingerprints:
        await cache.redis.xadd(cache.keys.outbox, {"fingerprint": fingerprint, "vector": vector, "record": record})


def fingerprints(count):
    return [Question(f"{number}", model="m").fingerprint for number in range(count)]


class Picky:
    """Qdrant, with something against one vector."""

    def __init__(self, semantic, refused):
        self.semantic = semantic
        self.refused = refused

    async def upsert(self, vectors):
        if self.refused in {vector.fingerprint for vector in vectors}:
            raise VectorRefused("INVALID_ARGUMENT: not this one")
        await self.semantic.upsert(vectors)

    async def missing(self, vectors):
        return await self.semantic.missing(vectors)


async def test_a_vector_that_qdrant_refuses_keeps_no_other_out(cache, monkeypatch):
    bad, *good = fingerprints(4)
    await put(cache, good[0], bad, *good[1:])
    monkeypatch.setattr(cache, "semantic", Picky(cache.semantic, bad))
    async with draining(cache) as outbox:
        await drained(cache)
        assert outbox._refusals.counts["outbox"] == 1
    assert await cache.vectors_of(cache.collection) == set(good)


async def test_what_qdrant_refuses_is_told_from_its_being_away(cache):
    """A collection of another size by the name of ours."""
    await cache.client.grpc_collections.Create(collection_of(cache.collection, DIMENSION + 1))
    await put(cache, *fingerprints(2))
    [stored] = await cache.stored("a")
    with pytest.raises(VectorRefused):
        await cache.semantic.upsert([stored])
    async with draining(cache) as outbox:
        await drained(cache)
        assert outbox._refusals.counts["outbox"] == 2


async def test_what_a_worker_took_and_did_not_write_is_taken_over_and_the_worker_forgotten(cache, monkeypatch):
    monkeypatch.setattr("askonce_worker.cache.outbox.STUCK_MS", 1)
    monkeypatch.setattr("askonce_worker.cache.outbox.FORGOTTEN_MS", 0)
    names = fingerprints(2)
    await put(cache, *names)
    await cache.redis.xgroup_create(cache.keys.outbox, GROUP, id="0")
    await cache.redis.xgroup_createconsumer(cache.keys.outbox, GROUP, "gone")
    await cache.redis.xreadgroup(GROUP, "dead", {cache.keys.outbox: ">"}, count=10)

    async def readers():
        found = await cache.redis.xinfo_consumers(cache.keys.outbox, GROUP)
        return {reader["name"] for reader in found}

    async with draining(cache):
        await drained(cache)
        assert await readers() == {b"dead", b"test"}
    assert await cache.vectors_of(cache.collection) == set(names)
    async with draining(cache):

        async def forgotten():
            return b"dead" not in await readers()

        await until(forgotten)


async def test_a_vector_that_is_long_in_the_making_keeps_no_other_out(cache, llm_server, monkeypatch):
    monkeypatch.setattr("askonce_worker.cache.outbox.EMBEDDED_WITHIN", 0.2)
    [late] = await cache.put("an answer put in by hand", vectors=False)
    [ready] = fingerprints(1)
    record = orjson.dumps({**FACTS, "embedding": cache.model})
    await cache.redis.xadd(cache.keys.outbox, {"fingerprint": late, "vector": b"", "record": record})
    await put(cache, ready)
    await llm_server.fail("embeddings", "hang")
    cache.embedder = embedder_for(llm_server)
    async with draining(cache):
        await drained(cache)
    await cache.embedder.close()
    assert await cache.vectors_of(cache.collection) == {ready}


@pytest.fixture
def publisher(cache):
    return Publisher(
        cache.redis,
        cache.keys,
        worker="w",
        counts=CallCounts(),
        embedding="e5",
        cache_ttl=60,
        result_ttl=60,
        outbox_max=2,
        compress=True,
    )


def new_entries(count, stamp="0.0.0.0"):
    vector = np.ones(DIMENSION, np.float32)
    questions = [Question(f"{number}", model="m", namespace="n") for number in range(count)]
    return [NewEntry(question, text_body("yes", model="m"), stamp, vector, True) for question in questions]


async def test_a_full_outbox_takes_no_more_and_the_answers_are_cached_all_the_same(cache, publisher):
    await publisher.send((), entries=new_entries(3))
    assert await cache.redis.xlen(cache.keys.outbox) == 2
    entries, *_ = await cache.sides()
    assert len(entries) == 3


async def test_an_answer_whose_epoch_moved_while_it_was_made_is_not_cached(cache, publisher):
    await cache.raise_epoch("model:m")
    await publisher.send((), entries=new_entries(1))
    entries, *_ = await cache.sides()
    assert (entries, await cache.redis.xlen(cache.keys.outbox)) == (set(), 0)
    await publisher.send((), entries=new_entries(1, stamp="0.1.0.0"))
    entries, *_ = await cache.sides()
    assert len(entries) == 1


async def test_an_answer_that_cannot_be_written_fails_alone(cache, publisher):
    first, bad, last = new_entries(3)
    bad.body["usage"] = {"total_tokens": 2**70}
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(
            *(publisher.send((), entries=[entry]) for entry in (first, bad, last)), return_exceptions=True
        )
        await publisher.send((), entries=new_entries(1))
    assert [isinstance(outcome, TypeError) for outcome in outcomes] == [False, True, False]
    entries, *_ = await cache.sides()
    assert entries == {first.question.fingerprint, last.question.fingerprint}

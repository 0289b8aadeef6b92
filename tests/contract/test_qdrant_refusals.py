"""What the worker makes of a Qdrant that refuses, forgets to reply, or was set up by somebody else."""

import asyncio
import contextlib
import time
import uuid
from dataclasses import replace

import numpy as np
import orjson
import pytest
import structlog
from qdrant_client import grpc as qdrant

from askonce import Question
from askonce.contract.unmatched import Unmatched
from askonce.tasks import stop
from askonce_worker.answering.ports import SemanticCacheDown, StoredVector, VectorQuery, VectorRefused
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_errors import VECTOR_FAULT
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.check.servers import qdrant as checked
from askonce_worker.pacing.halving import MAX_REQUESTS
from askonce_worker.pacing.limits import Waits
from askonce_worker.settings import Settings
from support import qdrant_refusals as refusals
from support.cache import DIMENSION, Cache
from support.faulty_qdrant import faulty_qdrant
from support.qdrant_limits import ApiKeys, Limits
from support.worker_process import until

FACTS = {"scope": "s", "epochs": "0.0.0.0", "model": "m", "namespace": "n", "created_at": 1, "expires_at": 2**40}
QUERY = VectorQuery("s", np.ones(DIMENSION, np.float32), 0.9)
VECTOR = StoredVector(Question("0", model="m").fingerprint, QUERY.vector, **FACTS)
PASSING = [
    refusals.STRICT_LIMIT,
    refusals.MEMORY,
    refusals.POINTS,
    refusals.VECTOR_BYTES,
    refusals.PAYLOAD_BYTES,
    refusals.OUT_OF_MEMORY,
    refusals.QUOTA,
    refusals.RATE,
    refusals.TIMED_OUT,
    refusals.SHARD_AWAY,
    refusals.NO_KEY,
    refusals.WRONG_KEY,
    refusals.READ_ONLY,
]
"""None of them is a vector's fault: they pass, or an operator changes something."""


@pytest.fixture
async def faulty(qdrant_url):
    async with faulty_qdrant(qdrant_url) as proxy:
        yield proxy


@pytest.fixture
async def cache(valkey_url, faulty, prefix):
    cache = Cache(valkey_url, faulty.url, prefix)
    yield cache
    faulty.heal()
    await cache.aclose()


@pytest.fixture
def quick(monkeypatch):
    """Pauses too short to wait for."""
    monkeypatch.setattr("askonce_worker.cache.outbox.LONGEST_PAUSE", 0.02)


async def put(cache, count):
    """Vectors as store_entries.lua leaves them. Returns their fingerprints."""
    names = [Question(f"{number}", model="m").fingerprint for number in range(count)]
    record = orjson.dumps({**FACTS, "embedding": cache.model})
    for number, name in enumerate(names):
        vector = np.eye(DIMENSION, dtype=np.float32)[number % DIMENSION].tobytes()
        await cache.redis.xadd(cache.keys.outbox, {"fingerprint": name, "vector": vector, "record": record})
    return set(names)


@contextlib.asynccontextmanager
async def draining(cache):
    outbox = cache.outbox()
    task = asyncio.create_task(outbox.run())
    try:
        yield outbox
    finally:
        await stop(task)


async def empty(cache):
    return await cache.redis.xlen(cache.keys.outbox) == 0


@pytest.mark.parametrize("refusal", PASSING, ids=lambda refusal: refusal.text[:40])
async def test_what_is_no_vectors_fault_keeps_the_vectors_waiting(cache, faulty, quick, refusal):
    names = await put(cache, 3)
    faulty.fault("Upsert", refusal)
    with structlog.testing.capture_logs() as logs:
        async with draining(cache) as outbox:
            await until(lambda: tried(faulty, 3), what="three tries")
            assert (await cache.redis.xlen(cache.keys.outbox), outbox._refusals.counts["outbox"]) == (3, 0)
            faulty.heal()
            await until(lambda: empty(cache), what="an empty outbox")
    assert await cache.vectors_of(cache.collection) == names
    [said, *_] = [line for line in logs if line["event"] == "outbox.waiting"]
    assert refusal.text[:60] in said["reason"], "an operator reads what Qdrant says"


async def tried(faulty, times):
    return faulty.calls["Upsert"] >= times


@pytest.mark.parametrize("refusal", [refusals.COLLECTIONS, refusals.ALIAS], ids=["too many", "an alias"])
async def test_a_collection_that_may_not_be_made_keeps_the_vectors_waiting(cache, faulty, quick, monkeypatch, refusal):
    monkeypatch.setattr("askonce_worker.cache.qdrant_collections.REMEMBERED", 0.0)
    names = await put(cache, 2)
    rule = faulty.fault("Create", refusal)
    async with draining(cache) as outbox:

        async def refused():
            return faulty.calls["Create"] >= 2

        await until(refused, what="two tries")
        assert (await cache.redis.xlen(cache.keys.outbox), outbox._refusals.counts["outbox"]) == (2, 0)
        faulty.faults.remove(rule)
        await until(lambda: empty(cache), what="an empty outbox")
    assert await cache.vectors_of(cache.collection) == names


@pytest.mark.parametrize("refusal", [refusals.WRONG_SIZE, refusals.WRONG_SIZE_AT_A_PEER], ids=["here", "at a peer"])
async def test_a_vectors_own_fault_drops_that_vector_and_no_other(cache, faulty, refusal):
    names = await put(cache, 4)
    await cache.semantic.search([QUERY])
    faulty.fault("Upsert", refusal, times=2)  # the batch, and then the first one of it
    async with draining(cache) as outbox:
        await until(lambda: empty(cache), what="an empty outbox")
        assert outbox._refusals.counts["outbox"] == 1
    stored = await cache.vectors_of(cache.collection)
    assert (len(stored), stored < names) == (3, True)


async def test_a_limit_on_the_size_of_batches_is_found_by_itself(cache, faulty, quick):
    names = await put(cache, 50)
    faulty.limits = Limits(upsert_batch=10)
    async with draining(cache):
        await until(lambda: empty(cache), what="an empty outbox")
    assert await cache.vectors_of(cache.collection) == names


async def test_a_full_collection_takes_what_waited_once_there_is_room(cache, faulty, quick):
    names = await put(cache, 3)
    faulty.limits = Limits(points=0)
    async with draining(cache):
        await until(lambda: tried(faulty, 2), what="two tries")
        assert await cache.redis.xlen(cache.keys.outbox) == 3
        faulty.limits = Limits()
        await until(lambda: empty(cache), what="an empty outbox")
    assert await cache.vectors_of(cache.collection) == names


async def test_a_batch_that_was_stored_though_its_reply_is_an_error_is_not_sent_again(cache, faulty, quick):
    names = await put(cache, 5)
    faulty.fault("Upsert", refusals.TIMED_OUT, applied=True)
    async with draining(cache):
        await until(lambda: empty(cache), what="an empty outbox")
    assert (faulty.calls["Upsert"], await cache.vectors_of(cache.collection)) == (1, names)


async def test_a_batch_whose_reply_never_comes_is_not_sent_again(cache, faulty, quick):
    names = await put(cache, 5)
    cache.semantic._store_timeout = 1.0
    faulty.fault("Upsert", seconds=None, applied=True)
    async with draining(cache):
        await until(lambda: empty(cache), what="an empty outbox")
    assert (faulty.calls["Upsert"], await cache.vectors_of(cache.collection)) == (1, names)


async def test_of_a_batch_that_was_stored_in_part_the_rest_is_sent(cache, faulty, quick):
    names = await put(cache, 5)
    first, *_ = await cache.redis.xrange(cache.keys.outbox, count=1)
    await cache.semantic.upsert([StoredVector(first[1][b"fingerprint"].decode(), QUERY.vector, **FACTS)])
    sent = faulty.calls["Upsert"]
    faulty.fault("Upsert", refusals.SHARD_AWAY, times=1)
    async with draining(cache):
        await until(lambda: empty(cache), what="an empty outbox")
    assert await cache.vectors_of(cache.collection) == names
    again = qdrant.UpsertPoints.FromString(faulty.requests["Upsert"][sent + 1])
    assert len(again.points) == 4


async def test_an_older_answer_to_the_same_question_does_not_pass_for_the_new_one(cache):
    [vector] = await cache.stored("a")
    await cache.semantic.upsert([vector])
    newer = replace(vector, created_at=vector.created_at + 5)
    assert await cache.semantic.missing([vector]) == []
    assert await cache.semantic.missing([newer]) == [newer]


# How a collection is made ready.


async def test_a_collection_that_another_worker_made_meanwhile_is_used(cache, faulty):
    faulty.fault("Create", refusals.ALREADY_EXISTS, applied=True)
    assert await cache.semantic.search([QUERY]) == [[]]
    assert cache.semantic.collections == [cache.collection]


async def test_many_that_wait_share_one_attempt(cache, faulty):
    faulty.fault("Get", seconds=0.3)
    found = await asyncio.gather(*(cache.semantic.search([QUERY]) for _ in range(40)))
    assert found == [[[]]] * 40
    assert (faulty.calls["Create"], faulty.calls["CreateFieldIndex"]) == (1, 5)


async def test_a_failure_is_remembered_for_a_second_and_no_longer(cache, faulty, monkeypatch):
    clock = [100.0]
    cache.semantic._known._clock = lambda: clock[0]
    faulty.fault("Create", refusals.COLLECTIONS)
    for later in (0.0, 0.9):
        clock[0] = 100.0 + later
        with pytest.raises(SemanticCacheDown, match="Max collections limit"):
            await cache.semantic.missing([VECTOR])
        assert faulty.calls["Create"] == 1
    clock[0] = 101.1
    faulty.faults.clear()
    assert await cache.semantic.search([QUERY]) == [[]]


async def test_a_cluster_that_takes_its_time_over_indexes_is_waited_for(cache, faulty):
    """Longer than an ask waits: each index is agreed on by all peers."""
    waits = Waits(interactive=0.2)
    hasty = QdrantSemanticCache(
        QdrantChannel(faulty.url), embedding_model=cache.model, now=time.time, prefix=cache.prefix, waits=waits
    )
    faulty.fault("CreateFieldIndex", seconds=0.3)
    assert await hasty.search([QUERY], lane="interactive") == [Unmatched.QDRANT_SLOW]
    await cache.semantic.search([QUERY])

    async def ready():
        return hasty.collections == [cache.collection]

    await until(ready, what="the first attempt's end")
    assert await hasty.search([QUERY]) == [[]]
    await hasty.close()


WAITED_FOR = [refusals.OUT_OF_MEMORY, refusals.RATE, refusals.TIMED_OUT, refusals.SHARD_AWAY]
DONE_WITHOUT = [refusals.STRICT_LIMIT, refusals.NO_KEY, refusals.READ_ONLY]


@pytest.mark.parametrize("refusal", WAITED_FOR, ids=lambda each: each.text[:30])
async def test_a_search_waits_for_what_passes(cache, faulty, refusal):
    await cache.semantic.missing([VECTOR])
    faulty.fault("QueryBatch", refusal, times=2)
    assert await cache.semantic.search([QUERY, QUERY]) == [[], []]
    alone = refusal in (refusals.OUT_OF_MEMORY, refusals.TIMED_OUT)
    assert faulty.calls["QueryBatch"] == (4 if alone else 3), "each goes alone after two failures that may be its own"


@pytest.mark.parametrize("refusal", DONE_WITHOUT, ids=lambda each: each.text[:30])
async def test_a_search_does_not_wait_for_an_operator(cache, faulty, refusal):
    await cache.semantic.missing([VECTOR])
    faulty.fault("QueryBatch", refusal)
    async with asyncio.timeout(30):
        assert await cache.semantic.search([QUERY] * 64) == [Unmatched.QDRANT_REFUSED] * 64
        assert await cache.semantic.search([QUERY]) == [Unmatched.QDRANT_REFUSED]
    assert faulty.calls["QueryBatch"] <= MAX_REQUESTS


# What is asked for, and of whom.


async def test_scores_are_those_of_the_vectors_themselves_whatever_an_operator_quantised(cache, faulty):
    await cache.semantic.search([QUERY])
    [request] = faulty.requests["QueryBatch"]
    [query] = qdrant.QueryBatchPoints.FromString(request).query_points
    asked = query.params.quantization
    assert (asked.rescore, asked.oversampling, asked.ignore) == (True, 2.0, False)


async def test_a_server_below_1_12_2_gets_no_vector_and_one_below_1_17_a_warning(cache, faulty):
    faulty.version = "1.12.1"
    with pytest.raises(SemanticCacheDown, match="1.12.1 is too old"):
        await cache.semantic.missing([VECTOR])
    assert (faulty.calls["Create"], (await checked(Settings(qdrant_url=faulty.url))).ok) == (0, False)
    faulty.version = "1.16.3"
    cache.semantic._known._clock = lambda: time.monotonic() + 10
    with structlog.testing.capture_logs() as logs:
        assert await cache.semantic.search([QUERY]) == [[]]
    assert "1.17.0 or newer is recommended" in str([line for line in logs if line["event"] == "semantic.old_server"])
    found = await checked(Settings(qdrant_url=faulty.url))
    assert (found.ok, "1.17.0 or newer" in found.advice) == (True, True)


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_a_key_is_sent_and_a_wrong_one_named(cache, faulty):
    faulty.keys = ApiKeys(f"secret-{uuid.uuid4().hex}", read_only="look")
    for key, words in (
        (None, "Must provide an API key"),
        ("wrong", "Invalid API key"),
        ("look", "Global manage access is required"),
    ):
        with structlog.testing.capture_logs() as logs:
            assert await searched(faulty.url, key, cache) == [Unmatched.QDRANT_REFUSED], "not waited for"
        assert words in str([line for line in logs if line["event"] == "semantic.failed"])
    assert await searched(faulty.url, faulty.keys.read_write, cache) == [[]]


async def searched(url, key, cache):
    other = QdrantSemanticCache(
        QdrantChannel(url, api_key=key), embedding_model=cache.model, now=time.time, prefix=cache.prefix
    )
    try:
        return await other.search([QUERY])
    finally:
        await other.close()


def test_the_words_of_a_vectors_fault_are_known_and_no_others():
    faults = [each for each in vars(refusals).values() if isinstance(each, refusals.Refusal)]
    known = {each.text for each in faults if VECTOR_FAULT.search(each.text)}
    assert known == {refusals.WRONG_SIZE.text, refusals.WRONG_SIZE_AT_A_PEER.text}
    assert issubclass(VectorRefused, SemanticCacheDown)

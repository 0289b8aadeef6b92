"""The semantic cache against Qdrant: the embedded one, and a real one where there is one."""

import asyncio
import base64
import hashlib
import socket
import time
import uuid

import numpy as np
import pytest
from qdrant_client import grpc as qdrant
from qdrant_client.models import Distance, VectorParams

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import SemanticCacheDown, StoredVector, VectorQuery
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_messages import collection_prefix, point_id
from askonce_worker.cache.semantic import QdrantSemanticCache
from support.official_qdrant import official_client

NOW = 1_800_000_000
DIMENSION = 8


def fingerprint(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def vector(*numbers: float) -> np.ndarray:
    padded = np.zeros(DIMENSION, np.float32)
    padded[: len(numbers)] = numbers
    return padded / np.linalg.norm(padded)


def stored(text: str, where: np.ndarray, **changes) -> StoredVector:
    facts = {
        "scope": "scope-a",
        "epochs": "0.0.0.0",
        "model": "gpt",
        "namespace": "default",
        "created_at": NOW,
        "expires_at": NOW + 60,
    }
    return StoredVector(fingerprint=fingerprint(text), vector=where, **(facts | changes))


def asked(where: np.ndarray, scope: str = "scope-a", threshold: float = 0.9) -> VectorQuery:
    return VectorQuery(scope=scope, vector=where, threshold=threshold)


class Clock:
    def __init__(self) -> None:
        self.now = NOW + 0.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def make(qdrant_url, clock, prefix):
    caches = []

    def one(model: str = "e5/small", **options) -> QdrantSemanticCache:
        cache = QdrantSemanticCache(
            QdrantChannel(qdrant_url), embedding_model=model, now=clock, prefix=prefix, **options
        )
        caches.append(cache)
        return cache

    yield one
    client = official_client(qdrant_url)
    for collection in (await client.grpc_collections.List(qdrant.ListCollectionsRequest())).collections:
        if collection.name.startswith(prefix):
            await client.delete_collection(collection.name)
    await client.close()
    for cache in caches:
        await cache.close()


@pytest.fixture
def cache(make) -> QdrantSemanticCache:
    return make()


async def test_a_stored_vector_is_found_with_its_similarity(cache):
    await cache.upsert([stored("a", vector(1, 0))])

    [[found]] = await cache.search([asked(vector(1, 0.1))])

    assert found.fingerprint == fingerprint("a")
    assert found.similarity == pytest.approx(float(vector(1, 0) @ vector(1, 0.1)), abs=1e-6)


async def test_nothing_is_found_in_an_empty_cache(cache):
    assert await cache.search([asked(vector(1)), asked(vector(0, 1))]) == [[], []]


async def test_no_queries_cost_no_call(clock):
    unreachable = QdrantSemanticCache(QdrantChannel("http://127.0.0.1:1"), embedding_model="m", now=clock)
    assert await unreachable.search([]) == []
    await unreachable.upsert([])
    await unreachable.close()


async def test_another_scope_is_never_found(cache):
    await cache.upsert([stored("a", vector(1)), stored("b", vector(1), scope="scope-b")])

    answers = await cache.search([asked(vector(1)), asked(vector(1), "scope-b"), asked(vector(1), "scope-c")])

    assert [[found.fingerprint for found in each] for each in answers] == [[fingerprint("a")], [fingerprint("b")], []]


async def test_the_threshold_is_each_querys_own(cache):
    await cache.upsert([stored("a", vector(1, 0))])
    near = vector(1, 0.5)

    answers = await cache.search([asked(near, threshold=0.8), asked(near, threshold=0.95)])

    assert [len(each) for each in answers] == [1, 0]


async def test_at_most_five_are_found_the_most_similar_first(cache):
    await cache.upsert([stored(str(i), vector(1, i / 50)) for i in range(8)])

    [found] = await cache.search([asked(vector(1))])

    assert [each.fingerprint for each in found] == [fingerprint(str(i)) for i in range(5)]
    assert [each.similarity for each in found] == sorted((each.similarity for each in found), reverse=True)


async def test_an_expired_vector_is_not_found(cache, clock):
    await cache.upsert([stored("a", vector(1), expires_at=NOW + 10)])

    clock.now = NOW + 9.9
    [before] = await cache.search([asked(vector(1))])
    clock.now = NOW + 10.0
    [after] = await cache.search([asked(vector(1))])

    assert (len(before), len(after)) == (1, 0)


async def test_storing_again_replaces(cache):
    await cache.upsert([stored("a", vector(1))])
    await cache.upsert([stored("a", vector(0, 1), scope="scope-b")])

    assert await cache.search([asked(vector(1)), asked(vector(0, 1))]) == [[], []]
    assert await cache.count() == 1


async def test_a_chunk_is_one_call_and_keeps_its_order(cache):
    numbers = np.random.default_rng(0).standard_normal((64, DIMENSION)).astype(np.float32)
    vectors = list(numbers / np.linalg.norm(numbers, axis=1, keepdims=True))
    scopes = [f"scope-{i % 3}" for i in range(64)]
    pairs = list(zip(vectors, scopes, strict=True))
    await cache.upsert([stored(str(i), each, scope=scope) for i, (each, scope) in enumerate(pairs)])

    answers = await cache.search([asked(each, scope, threshold=0.999) for each, scope in pairs])

    assert [each[0].fingerprint for each in answers] == [fingerprint(str(i)) for i in range(64)]


async def test_counting_needs_no_vector_seen_before(make):
    await make().upsert([stored("a", vector(1), expires_at=NOW - 1)])

    assert await make().count() == 1


async def test_embedding_models_are_kept_apart(make):
    one, other = make("e5/small"), make("e5-small")
    await one.upsert([stored("a", vector(1))])

    assert await other.search([asked(vector(1))]) == [[]]
    assert (await one.count(), await other.count()) == (1, 0)


async def test_dimensions_are_kept_apart(cache):
    await cache.upsert([stored("a", vector(1))])
    longer = np.eye(1, 16, dtype=np.float32)[0]
    await cache.upsert([stored("b", longer)])

    [[found], [other]] = await cache.search([asked(longer), asked(vector(1))])

    assert (found.fingerprint, other.fingerprint) == (fingerprint("b"), fingerprint("a"))
    assert await cache.count() == 2


async def test_workers_that_start_together_make_one_collection(make):
    caches = [make() for _ in range(8)]

    await asyncio.gather(*(each.upsert([stored(str(i), vector(1, i))]) for i, each in enumerate(caches)))

    assert await caches[0].count() == 8


async def test_the_payload_is_what_the_contract_says_and_never_the_text(cache, qdrant_url, prefix):
    await cache.upsert([stored("my secret question", vector(1))])

    client = official_client(qdrant_url)
    [point], _ = await client.scroll(f"{collection_prefix(prefix, 'e5/small')}{DIMENSION}", with_payload=True)
    await client.close()

    assert point.id == point_id(fingerprint("my secret question")).uuid
    assert point.payload == {
        "scope": "scope-a",
        "epochs": "0.0.0.0",
        "model": "gpt",
        "namespace": "default",
        "fingerprint": fingerprint("my secret question"),
        "expires_at": NOW + 60,
        "created_at": NOW,
    }


async def test_what_is_filtered_on_is_indexed_and_nothing_else(cache, qdrant_url, prefix):
    await cache.search([asked(vector(1))])

    client = official_client(qdrant_url)
    info = await client.get_collection(f"{collection_prefix(prefix, 'e5/small')}{DIMENSION}")
    await client.close()

    kinds = {field: schema.data_type.value for field, schema in info.payload_schema.items()}
    keywords = dict.fromkeys(("scope", "epochs", "namespace"), "keyword")
    assert kinds == {**keywords, "expires_at": "integer", "created_at": "integer"}


async def test_a_lost_collection_is_made_anew(cache, qdrant_url, prefix):
    await cache.upsert([stored("a", vector(1))])
    client = official_client(qdrant_url)
    await client.delete_collection(f"{collection_prefix(prefix, 'e5/small')}{DIMENSION}")
    await client.close()

    assert await cache.search([asked(vector(1))]) == [[]]


async def test_a_server_that_is_not_there_is_said_at_once(clock):
    cache = QdrantSemanticCache(QdrantChannel("http://127.0.0.1:1"), embedding_model="m", now=clock)
    started = time.monotonic()

    with pytest.raises(SemanticCacheDown, match="UNAVAILABLE") as caught:
        await cache.count()

    assert time.monotonic() - started < 2
    assert caught.value.__cause__ is not None
    await cache.close()


async def test_a_server_that_says_nothing_is_left_after_the_timeout(clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        cache = QdrantSemanticCache(QdrantChannel(url), embedding_model="m", now=clock, timeout=0.3)

        with pytest.raises(SemanticCacheDown, match="DEADLINE_EXCEEDED"):
            await cache.count()

        await cache.close()


async def test_a_vector_that_qdrant_refuses_is_no_error_of_others(cache, qdrant_url, prefix):
    client = official_client(qdrant_url)
    misnamed = f"{collection_prefix(prefix, 'e5/small')}3"
    await client.create_collection(misnamed, vectors_config=VectorParams(size=DIMENSION, distance=Distance.COSINE))

    replies = await cache.search([asked(vector(1)), asked(np.ones(3, np.float32))])
    assert replies == [[], Unmatched.QDRANT_REFUSED]
    await client.close()


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://qdrant", "qdrant:6334"),
        ("http://qdrant:6333", "qdrant:6334"),
        ("http://qdrant:6334", "qdrant:6334"),
        ("http://127.0.0.1:41234", "127.0.0.1:41234"),
    ],
)
def test_the_port_is_grpcs(url, target):
    assert QdrantChannel(url).target == target

"""Large scopes: what is found in them does not depend on graphs, nor on what an operator had quantised.

The engine here builds graphs from few points on, as a server does from many.
"""

import asyncio
import time
import uuid
from importlib.metadata import version

import numpy as np
import pytest
from qdrant_client import grpc as qdrant

from askonce import Question
from askonce_worker.answering.ports import StoredVector, VectorQuery
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from support.faulty_qdrant import faulty_qdrant
from support.worker_process import until

DIMENSION = 64
SCOPES, EACH = 30, 60
FAR = 2**40
HAS_THE_FAULT = version("qdrant-edge-py").startswith(("0.6.", "0.7.", "0.8."))
"""Qdrant 1.17 to 1.19. The engine of 1.20 finds all without a graph over all points."""


@pytest.fixture
async def client(graph_qdrant_url):
    client = QdrantChannel(graph_qdrant_url)
    yield client
    await client.close()


@pytest.fixture
async def cache(client, graph_qdrant_url):
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    cache = QdrantSemanticCache(
        QdrantChannel(graph_qdrant_url), embedding_model="m", now=time.time, prefix=prefix, timeout=60
    )
    yield cache
    for name in cache.collections:
        await client.grpc_collections.Delete(qdrant.DeleteCollection(collection_name=name), timeout=60)
    await cache.close()


def name_of(cache):
    return f"{cache._prefix}{DIMENSION}"


def vectors(share_expired=0.0):
    """EACH of every scope, of which this share has expired."""
    random = np.random.default_rng(11)
    rows = random.standard_normal((SCOPES * EACH, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    expired = random.random(len(rows)) < share_expired
    return [
        StoredVector(
            fingerprint=Question(f"{number}", model="m").fingerprint,
            vector=row,
            scope=f"scope-{number % SCOPES}",
            epochs="0.0.0.0",
            model="m",
            namespace="n",
            created_at=1,
            expires_at=2 if expired[number] else FAR,
        )
        for number, row in enumerate(rows)
    ]


async def described(client, name):
    request = qdrant.GetCollectionInfoRequest(collection_name=name)
    return (await client.grpc_collections.Get(request, timeout=60)).result


async def indexed(client, name):
    """Waits until all points are in graphs."""

    async def all_of_them():
        info = await described(client, name)
        return info.status == qdrant.CollectionStatus.Green and info.indexed_vectors_count >= info.points_count > 0

    await until(all_of_them, seconds=60, what="the graphs")


async def blind(cache, stored):
    """Scopes in which nothing is found, though each of them has valid points."""
    valid = {each.scope: each for each in stored if each.expires_at == FAR}
    assert len(valid) == SCOPES
    found = await cache.search([VectorQuery(scope, each.vector, 0.0) for scope, each in valid.items()])
    return sum(not candidates for candidates in found)


async def stored(cache, client, share_expired=0.0):
    some = vectors(share_expired)
    for at in range(0, len(some), 500):
        await cache.upsert(some[at : at + 500])
    await indexed(client, name_of(cache))
    return some


async def test_a_new_collection_has_a_graph_over_all_points_and_one_in_each_scope(cache, client):
    await cache.search([VectorQuery("s", np.ones(DIMENSION, np.float32), 0.9)])
    info = await described(client, name_of(cache))
    assert (info.config.hnsw_config.m, info.config.hnsw_config.payload_m) == (16, 16)
    assert info.payload_schema["scope"].params.keyword_index_params.is_tenant


async def test_no_scope_is_blind_when_a_fifth_has_expired(cache, client):
    assert await blind(cache, await stored(cache, client, share_expired=0.19)) == 0


async def test_no_scope_is_blind_when_a_tenth_was_deleted(cache, client):
    some = await stored(cache, client)
    chosen = np.random.default_rng(7).random(len(some)) < 0.1
    gone, kept = (
        [each for each, is_one in zip(some, chosen, strict=True) if bool(is_one) is wanted] for wanted in (True, False)
    )
    ids = qdrant.PointsIdsList(ids=[messages.point_id(each.fingerprint) for each in gone])
    request = qdrant.DeletePoints(collection_name=name_of(cache), wait=True, points=qdrant.PointsSelector(points=ids))
    await client.grpc_points.Delete(request, timeout=60)
    assert await blind(cache, kept) == 0


async def test_an_older_collection_gets_its_graph_when_a_worker_starts(cache, client):
    """Made with m=0, as earlier releases did: once the entry points of scopes have expired, these find nothing."""
    older = messages.collection_of(name_of(cache), DIMENSION)
    older.hnsw_config.m = 0
    await client.grpc_collections.Create(older)
    for index in messages.indexes_of(older.collection_name):
        await client.grpc_points.CreateFieldIndex(index)
    cache._known._ready.add(older.collection_name)  # a worker of then looks no further
    some = await stored(cache, client, share_expired=0.3)
    if HAS_THE_FAULT:
        assert await blind(cache, some) > 0

    cache._known._ready.discard(older.collection_name)  # and one of now starts
    await cache.search([VectorQuery("s", some[0].vector, 0.9)])
    await indexed(client, older.collection_name)
    assert (await described(client, older.collection_name)).config.hnsw_config.m == 16

    async def none():
        return await blind(cache, some) == 0

    await until(none, seconds=60, what="sight in every scope")


async def test_a_collection_that_is_ready_is_only_looked_at(cache, graph_qdrant_url):
    query = VectorQuery("s", np.ones(DIMENSION, np.float32), 0.9)
    await cache.search([query])
    async with faulty_qdrant(graph_qdrant_url) as counted:
        client = QdrantChannel(counted.url)
        prefix = cache._prefix.removesuffix("-m-")
        another = QdrantSemanticCache(client, embedding_model="m", now=time.time, prefix=prefix, timeout=60)
        await another.search([query])
        await another.close()
        assert counted.calls == {"HealthCheck": 1, "Get": 1, "QueryBatch": 1}


async def test_an_operators_quantisation_does_not_decide_a_score(cache, client):
    own = messages.collection_of(name_of(cache), DIMENSION)
    own.quantization_config.CopyFrom(qdrant.QuantizationConfig(binary=qdrant.BinaryQuantization(always_ram=True)))
    await client.grpc_collections.Create(own)
    some = await stored(cache, client)
    rows = np.array([each.vector for each in some])
    asked = some[:SCOPES]
    replies = await cache.search([VectorQuery(each.scope, each.vector, 0.999) for each in asked])
    for each, [found] in zip(asked, replies, strict=True):
        assert (found.fingerprint, found.similarity) == (each.fingerprint, pytest.approx(1.0, abs=1e-5))
    [near] = await cache.search([VectorQuery("scope-0", (rows[0] + 0.3 * rows[SCOPES]), 0.0)])
    exact = {each.fingerprint: float(each.vector @ _unit(rows[0] + 0.3 * rows[SCOPES])) for each in some}
    assert [found.similarity for found in near] == pytest.approx([exact[found.fingerprint] for found in near], abs=1e-5)


def _unit(row):
    return row / np.linalg.norm(row)


async def test_searches_go_on_while_a_graph_is_built(cache, client):
    some = vectors()
    await cache.upsert(some[:500])
    found = await asyncio.gather(
        cache.upsert(some[500:1000]),
        *(cache.search([VectorQuery(some[0].scope, some[0].vector, 0.9)]) for _ in range(5)),
    )
    assert all(each[0][0].fingerprint == some[0].fingerprint for each in found[1:])

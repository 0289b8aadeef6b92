"""How a collection is made ready: once for all who wait, only what is missing, and by name where it cannot be."""

import asyncio
import contextlib
import time
import uuid
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import grpc as qdrant
from structlog.testing import capture_logs

from askonce import Question
from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import SemanticCacheDown, StoredVector, VectorQuery
from askonce_worker.cache.qdrant_address import address_fault, advice, too_old
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_messages import collection_prefix, indexes_of
from askonce_worker.cache.qdrant_quantization import kind_of
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.pacing.limits import Waits
from support import qdrant_refusals as refusals
from support.faulty_qdrant import faulty_qdrant
from support.official_qdrant import official_client
from support.ports import free_port
from support.qdrant_proxy import slow_qdrant

DIMENSION = 8
QUERY = VectorQuery("scope", np.eye(1, DIMENSION, dtype=np.float32)[0], 0.9)

VECTOR = StoredVector(Question("a", model="m").fingerprint, QUERY.vector, "scope", "0.0.0.0", "m", "n", 1, 2**40)


@pytest.fixture
def prefix():
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def direct(qdrant_url, prefix):
    client = official_client(qdrant_url)
    yield client
    for collection in (await client.grpc_collections.List(qdrant.ListCollectionsRequest())).collections:
        if collection.name.startswith(prefix):
            await client.delete_collection(collection.name)
    await client.close()


def cache_at(url, prefix, **options):
    return QdrantSemanticCache(QdrantChannel(url), embedding_model="m", now=time.time, prefix=prefix, **options)


async def described(client, prefix):
    name = f"{collection_prefix(prefix, 'm')}{DIMENSION}"
    reply = await client.grpc_collections.Get(qdrant.GetCollectionInfoRequest(collection_name=name))
    return reply.result


async def test_asks_beside_a_slow_start_share_one_attempt_and_wait_at_once(qdrant_url, direct, prefix):
    async with slow_qdrant(qdrant_url) as slow:
        cache = cache_at(slow.url, prefix, waits=Waits(interactive=0.5))
        slow.seconds = 1.0
        began = time.monotonic()
        found = await asyncio.gather(*(cache.search([QUERY], lane="interactive") for _ in range(40)))
        assert time.monotonic() - began < 4, "they wait beside one another, not in turn"
        assert found == [[Unmatched.QDRANT_SLOW]] * 40
        slow.seconds = 0.0
        async with asyncio.timeout(60):
            assert await cache.search([QUERY]) == [[]], "the attempt went on, though none waited for it"
        await cache.close()


async def test_after_a_failed_attempt_there_is_another_one(qdrant_url, direct, prefix):
    port = free_port()
    cache = cache_at(f"http://127.0.0.1:{port}", prefix)
    waiting = asyncio.create_task(cache.search([QUERY]))
    with capture_logs() as logs:
        while not any(entry["event"] == "semantic.failed" for entry in logs):
            await asyncio.sleep(0.005)
    async with slow_qdrant(qdrant_url, port), asyncio.timeout(60):
        assert await waiting == [[]]
    await cache.close()


async def test_only_the_indexes_that_are_missing_are_created(qdrant_url, direct, prefix):
    name = f"{collection_prefix(prefix, 'm')}{DIMENSION}"
    vectors = qdrant.VectorsConfig(params=qdrant.VectorParams(size=DIMENSION, distance=qdrant.Distance.Cosine))
    await direct.grpc_collections.Create(qdrant.CreateCollection(collection_name=name, vectors_config=vectors))
    own = qdrant.CreateFieldIndexCollection(
        collection_name=name, wait=True, field_name="scope", field_type=qdrant.FieldType.FieldTypeKeyword
    )
    await direct.grpc_points.CreateFieldIndex(own)
    cache = cache_at(qdrant_url, prefix)
    await cache.search([QUERY])
    info = await direct.get_collection(name)
    assert info.payload_schema.keys() == {index.field_name for index in indexes_of(name)}
    assert not getattr(info.payload_schema["scope"].params, "is_tenant", None), "an operator's index stays as it is"
    await cache.close()


async def test_a_stale_vector_takes_no_place_of_a_valid_one(qdrant_url, direct, prefix):
    def stored(text, epochs):
        name = Question(text, model="m").fingerprint
        return StoredVector(name, QUERY.vector, "scope", epochs, "m", "n", 1, int(time.time()) + 60)

    cache = cache_at(qdrant_url, prefix)
    await cache.upsert([*(stored(f"{number}", "0.0.0.0") for number in range(8)), stored("valid", "1.0.0.0")])
    [[found]] = await cache.search([replace(QUERY, epochs="1.0.0.0")])
    assert found.fingerprint == stored("valid", "").fingerprint
    await cache.close()


@pytest.mark.parametrize("version", ["1.12.1", "1.9.4", "v0.11.0"])
def test_servers_that_are_too_old_are_refused_by_their_version(version):
    assert version in too_old(version)


@pytest.mark.parametrize("version", ["1.12.2", "1.16.3"])
def test_older_servers_work_with_an_advice(version):
    assert (too_old(version), version in advice(version)) == (None, True)


@pytest.mark.parametrize("version", ["1.17.0", "2.0.0", "1.17.1-dev", "embedded"])
def test_new_servers_and_unknown_versions_are_taken(version):
    assert (too_old(version), advice(version)) == (None, None)


async def test_rest_at_the_port_of_grpc_is_named():
    async def rest(reader, writer):
        await reader.read(1000)
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{"title":"qdrant"}')
        writer.close()

    server = await asyncio.start_server(rest, "127.0.0.1", 0)
    assert "speaks REST" in await address_fault(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    server.close()


async def test_tls_where_none_is_and_none_where_tls_is_are_named(qdrant_url):
    async def tls_alert(reader, writer):
        await reader.read(1000)
        writer.write(b"\x15\x03\x01\x00\x02\x02\x46")
        writer.close()

    server = await asyncio.start_server(tls_alert, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert "write https://" in await address_fault(f"http://127.0.0.1:{port}")
    server.close()
    assert "write http://" in await address_fault(qdrant_url.replace("http://", "https://"))


async def test_an_address_where_nothing_is_is_named():
    assert "nothing answers at port 1" in await address_fault("http://127.0.0.1:1")


@pytest.mark.parametrize("quantization", ["none", "int8", "binary"])
async def test_a_collection_is_made_with_the_quantisation_that_was_chosen(qdrant_url, direct, prefix, quantization):
    cache = cache_at(qdrant_url, prefix, quantization=quantization)
    await cache.search([QUERY])
    assert kind_of(await described(direct, prefix)) == quantization
    await cache.close()


async def test_an_existing_collection_keeps_its_quantisation_and_the_log_says_so(qdrant_url, direct, prefix):
    first = cache_at(qdrant_url, prefix)
    await first.search([QUERY])
    second = cache_at(qdrant_url, prefix, quantization="int8")
    with capture_logs() as logs:
        await second.search([QUERY])
    assert kind_of(await described(direct, prefix)) == "none"
    [told] = [log for log in logs if log["event"] == "semantic.other_quantization"]
    assert (told["has"], told["wanted"]) == ("none", "int8")
    for cache in (first, second):
        await cache.close()


async def test_a_failed_attempt_is_remembered_for_a_second(qdrant_url, direct, prefix):
    async with faulty_qdrant(qdrant_url) as server:
        server.fault("Get", refusals.TIMED_OUT)
        cache = cache_at(server.url, prefix)
        for _ in range(20):
            with pytest.raises(SemanticCacheDown):
                await cache.upsert([VECTOR])
        assert server.calls["Get"] <= 3, "one for each second, at most"
        await cache.close()


async def test_a_server_that_is_too_old_gets_no_collection(qdrant_url, direct, prefix):
    async with faulty_qdrant(qdrant_url) as server:
        server.version = "1.12.1"
        cache = cache_at(server.url, prefix)
        with pytest.raises(SemanticCacheDown, match="too old"):
            await cache.upsert([VECTOR])
        assert server.calls["Create"] == 0
        server.version = "1.12.2"
        with capture_logs() as logs:
            async with asyncio.timeout(60):
                while server.calls["Upsert"] == 0:
                    with contextlib.suppress(SemanticCacheDown):
                        await cache.upsert([VECTOR])
                    await asyncio.sleep(0.05)
        assert "semantic.old_server" in [log["event"] for log in logs]
        await cache.close()

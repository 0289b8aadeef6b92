"""The embedded Qdrant, through the official client: what it answers, what it keeps, and what it refuses by name."""

import subprocess
import sys
import uuid

import grpc
import numpy as np
import pytest
from qdrant_client import grpc as raw
from qdrant_client.models import (
    BinaryQuantization,
    BinaryQuantizationConfig,
    CompressionRatio,
    Disabled,
    Distance,
    FieldCondition,
    Filter,
    FilterSelector,
    HasIdCondition,
    IsEmptyCondition,
    KeywordIndexParams,
    MatchAny,
    MatchExcept,
    MatchText,
    MatchValue,
    PayloadField,
    PayloadSchemaType,
    PointStruct,
    Prefetch,
    ProductQuantization,
    ProductQuantizationConfig,
    QueryRequest,
    Range,
    ScalarQuantization,
    ScalarQuantizationConfig,
    ScalarType,
    SparseVectorParams,
    TextIndexParams,
    VectorParams,
)

from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import PartDied, Stack
from support.official_qdrant import official_client

SIZE = 4


def points(count: int = 10) -> list[PointStruct]:
    """Vectors that turn away from (1, 0, 0, 0) step by step; two scopes in turn."""
    return [
        PointStruct(id=i, vector=[1.0, i / 10, 0.0, 0.0], payload={"scope": f"s{i % 2}", "n": i, "tags": ["x", "y"]})
        for i in range(count)
    ]


def where(key: str, value: object) -> Filter:
    return Filter(must=[FieldCondition(key=key, match=MatchValue(value=value))])


@pytest.fixture
async def client(embedded_qdrant_url):
    client = official_client(embedded_qdrant_url)
    yield client
    await client.close()


@pytest.fixture
async def empty(client) -> str:
    """A new collection."""
    name = f"test-{uuid.uuid4().hex}"
    await client.create_collection(name, vectors_config=VectorParams(size=SIZE, distance=Distance.COSINE))
    yield name
    await client.delete_collection(name)


@pytest.fixture
async def filled(client, empty) -> str:
    await client.upsert(empty, points())
    return empty


async def ids(client, collection, condition) -> list[int]:
    records, _ = await client.scroll(collection, scroll_filter=condition, limit=100)
    return [record.id for record in records]


async def refused(call, *words) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    for word in ("does not support", *words):
        assert word in caught.value.details()


async def test_a_collection_is_made_described_listed_and_deleted(client):
    name = f"test-{uuid.uuid4().hex}"
    assert not await client.collection_exists(name)
    await client.create_collection(name, vectors_config=VectorParams(size=384, distance=Distance.COSINE))

    assert await client.collection_exists(name)
    assert name in {each.name for each in (await client.get_collections()).collections}
    info = await client.get_collection(name)
    assert (info.config.params.vectors.size, info.config.params.vectors.distance) == (384, Distance.COSINE)
    assert (info.status, info.points_count) == ("green", 0)

    assert await client.delete_collection(name) is True
    assert await client.delete_collection(name) is False
    assert not await client.collection_exists(name)


async def test_what_is_missing_or_there_twice_or_wrong_is_an_error_as_in_qdrant(client, empty):
    shape = VectorParams(size=SIZE, distance=Distance.COSINE)
    cases = [
        (client.count("no-such"), grpc.StatusCode.NOT_FOUND, "Collection `no-such` doesn't exist!"),
        (client.create_collection(empty, shape), grpc.StatusCode.ALREADY_EXISTS, "already exists!"),
        (client.create_collection("../x", shape), grpc.StatusCode.INVALID_ARGUMENT, "collection name"),
        (
            client.upsert(empty, [PointStruct(id=1, vector=[1.0])]),
            grpc.StatusCode.INVALID_ARGUMENT,
            "expected dim: 4, got 1",
        ),
        (client.query_points(empty, query=[1.0]), grpc.StatusCode.INVALID_ARGUMENT, "expected dim: 4, got 1"),
        (client.retrieve(empty, ["no uuid"]), grpc.StatusCode.INVALID_ARGUMENT, "UUID"),
    ]
    for call, code, words in cases:
        with pytest.raises(grpc.RpcError) as caught:
            await call
        assert caught.value.code() == code
        assert words in caught.value.details()


async def test_a_wrong_vector_in_a_batch_stores_none_of_it(client, empty):
    with pytest.raises(grpc.RpcError):
        await client.upsert(empty, [*points(), PointStruct(id=99, vector=[1.0])])
    assert (await client.count(empty)).count == 0


async def test_a_batch_query_answers_each_query_by_its_own_filter_and_threshold(client, filled):
    def request(scope: str, threshold: float, limit: int = 10) -> QueryRequest:
        return QueryRequest(
            query=[1.0, 0.0, 0.0, 0.0],
            filter=Filter(must=[*where("scope", scope).must, FieldCondition(key="n", range=Range(gt=1))]),
            score_threshold=threshold,
            limit=limit,
            with_payload=["n"],
        )

    answers = await client.query_batch_points(filled, [request("s0", 0.9), request("s1", 0.0, 2), request("s2", 0.0)])

    assert [[point.id for point in each.points] for each in answers] == [[2, 4], [3, 5], []]
    best = answers[0].points[0]
    assert best.payload == {"n": 2}
    assert best.score == pytest.approx(1 / np.hypot(1, 0.2), abs=1e-6)


async def test_one_query_with_vectors_and_offset(client, filled):
    found = await client.query_points(filled, query=[1.0, 0.0, 0.0, 0.0], limit=2, offset=1, with_vectors=True)

    assert [point.id for point in found.points] == [1, 2]
    assert found.points[0].vector == pytest.approx([1 / np.hypot(1, 0.1), 0.1 / np.hypot(1, 0.1), 0, 0], abs=1e-6)


async def test_scrolling_visits_every_point_once(client, filled):
    seen, offset = [], None
    while True:
        page, offset = await client.scroll(filled, limit=4, offset=offset, with_payload=True, with_vectors=True)
        assert all(record.payload["tags"] == ["x", "y"] and len(record.vector) == SIZE for record in page)
        seen += [record.id for record in page]
        if offset is None:
            break
    assert seen == list(range(10))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("scope", "s1"), [1, 3, 5, 7, 9]),
        (where("n", 3), [3]),
        (Filter(must_not=[FieldCondition(key="n", range=Range(gte=2))]), [0, 1]),
        (Filter(should=[FieldCondition(key="n", range=Range(lt=1)), HasIdCondition(has_id=[9])]), [0, 9]),
        (Filter(must=[FieldCondition(key="n", match=MatchAny(any=[2, 5]))]), [2, 5]),
        (Filter(must=[FieldCondition(key="scope", match=MatchAny(any=["s1", "s7"]))]), [1, 3, 5, 7, 9]),
        (Filter(must=[FieldCondition(key="scope", match=MatchExcept(**{"except": ["s1"]}))]), [0, 2, 4, 6, 8]),
        (Filter(must=[where("n", 1), Filter(must_not=[where("scope", "s0")])]), [1]),
        (Filter(must_not=[IsEmptyCondition(is_empty=PayloadField(key="absent"))]), []),
        (None, list(range(10))),
    ],
)
async def test_filters(client, filled, condition, expected):
    assert await ids(client, filled, condition) == expected
    assert (await client.count(filled, count_filter=condition)).count == len(expected)


async def test_deleting_by_ids_and_by_filter(client, filled):
    await client.delete(filled, [0, 3, 12345])
    await client.delete(filled, FilterSelector(filter=where("scope", "s1")))

    assert await ids(client, filled, None) == [2, 4, 6, 8]


async def test_setting_payload_by_ids_and_by_filter(client, filled):
    await client.set_payload(filled, {"expires_at": 5}, points=[0, 1])
    await client.set_payload(filled, {"n": -1}, points=where("scope", "s1"))

    records = await client.retrieve(filled, [0, 1, 77], with_payload=["n", "expires_at"])

    assert {record.id: record.payload for record in records} == {
        0: {"n": 0, "expires_at": 5},
        1: {"n": -1, "expires_at": 5},
    }


async def test_payload_indexes_are_made_described_and_deleted(client, filled):
    await client.create_payload_index(filled, "scope", KeywordIndexParams(type="keyword", is_tenant=True))
    await client.create_payload_index(filled, "n", PayloadSchemaType.INTEGER)
    await client.create_payload_index(filled, "n", PayloadSchemaType.INTEGER)

    schema = (await client.get_collection(filled)).payload_schema
    assert {field: index.data_type for field, index in schema.items()} == {"scope": "keyword", "n": "integer"}
    assert await ids(client, filled, where("scope", "s1")) == [1, 3, 5, 7, 9]

    await client.delete_payload_index(filled, "n")
    assert set((await client.get_collection(filled)).payload_schema) == {"scope"}


async def test_all_json_payloads_come_back_as_they_went(client, empty):
    payload = {"s": "问题 ✓", "i": -(2**40), "f": 0.5, "b": True, "z": None, "l": [1, "a", [2.5]], "d": {"k": {"m": 1}}}
    await client.upsert(empty, [PointStruct(id=str(uuid.UUID(int=7)), vector=[1.0] * SIZE, payload=payload)])

    [record] = await client.retrieve(empty, [str(uuid.UUID(int=7))])

    assert (record.id, record.payload) == (str(uuid.UUID(int=7)), payload)


async def test_what_is_not_supported_is_refused_by_its_name(client, filled):
    vector, plain = [1.0, 0.0, 0.0, 0.0], VectorParams(size=4, distance=Distance.DOT)
    quantized = ProductQuantization(product=ProductQuantizationConfig(compression=CompressionRatio.X16))
    await refused(client.facet(filled, "scope"), "Facet")
    await refused(client.create_collection("c", {"named": plain}), "named vectors")
    await refused(client.create_collection("c", plain, quantization_config=quantized), "QuantizationConfig.product")
    await refused(client.create_collection("c", sparse_vectors_config={"s": SparseVectorParams()}), "sparse_vectors")
    await refused(client.upsert(filled, [PointStruct(id=1, vector={"named": vector})]), "named vectors")
    await refused(client.query_points(filled, query=3), "VectorInput.id")
    await refused(client.query_points(filled, query=vector, using="named"), "QueryPoints.using")
    await refused(client.query_points(filled, prefetch=Prefetch(query=vector), query=vector), "QueryPoints.prefetch")
    text = Filter(must=[FieldCondition(key="scope", match=MatchText(text="s"))])
    await refused(client.scroll(filled, scroll_filter=text), "Match.text")
    await refused(client.scroll(filled, order_by="n"), "ScrollPoints.order_by")
    words = TextIndexParams(type="text", phrase_matching=True)
    await refused(client.create_payload_index(filled, "p", words), "text_index_params")
    await refused(client.update_collection_aliases([]), "UpdateAliases")


async def test_two_processes_write_and_read_at_once(client, empty, embedded_qdrant_url):
    program = """if True:
        import sys
        from qdrant_client import QdrantClient, models
        port, collection, start = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
        client = QdrantClient(host="127.0.0.1", grpc_port=port, prefer_grpc=True, check_compatibility=False)
        for batch in range(start, start + 500, 50):
            ids = range(batch, batch + 50)
            client.upsert(collection, [models.PointStruct(id=i, vector=[1.0, i, 0, 0]) for i in ids])
            assert len(client.retrieve(collection, list(ids))) == 50
        client.close()
    """
    port = embedded_qdrant_url.rpartition(":")[2]
    both = [subprocess.Popen([sys.executable, "-c", program, port, empty, str(start)]) for start in (0, 1000)]

    assert [process.wait(60) for process in both] == [0, 0]
    assert (await client.count(empty)).count == 1000


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_data_is_kept_over_a_restart(tmp_path, end):
    def parts():
        return choose_parts(["qdrant"], data_dir=tmp_path)

    with Stack(parts()) as stack:
        first = official_client(stack.environment["ASKONCE_QDRANT_URL"])
        await first.create_collection("kept", VectorParams(size=SIZE, distance=Distance.COSINE))
        await first.create_payload_index("kept", "scope", KeywordIndexParams(type="keyword", is_tenant=True))
        await first.upsert("kept", points())
        await first.delete("kept", [0])
        await first.close()
        if end == "kill":
            stack._children[0].process.kill()
            with pytest.raises(PartDied, match="qdrant"):
                stack.wait()

    with Stack(parts()) as stack:
        second = official_client(stack.environment["ASKONCE_QDRANT_URL"])
        found = await second.query_points("kept", query=[1.0, 0.0, 0.0, 0.0], query_filter=where("scope", "s1"))
        assert [point.id for point in found.points] == [1, 3, 5, 7, 9]
        assert (await second.get_collection("kept")).payload_schema["scope"].points == 9
        await second.close()


async def test_a_half_made_collection_is_cleared_away(tmp_path):
    (tmp_path / "qdrant" / "half" / "shard").mkdir(parents=True)

    with Stack(choose_parts(["qdrant"], data_dir=tmp_path)) as stack:
        client = official_client(stack.environment["ASKONCE_QDRANT_URL"])
        await client.create_collection("half", VectorParams(size=SIZE, distance=Distance.COSINE))
        assert (await client.count("half")).count == 0
        await client.close()


@pytest.mark.parametrize(
    "asked",
    [
        ScalarQuantization(scalar=ScalarQuantizationConfig(type=ScalarType.INT8)),
        BinaryQuantization(binary=BinaryQuantizationConfig()),
    ],
)
async def test_a_collection_of_quantized_vectors_is_described_as_such(client, asked):
    name = f"test-{uuid.uuid4().hex}"
    vectors = VectorParams(size=SIZE, distance=Distance.COSINE, on_disk=True)
    await client.create_collection(name, vectors_config=vectors, quantization_config=asked)
    kept = (await client.get_collection(name)).config.quantization_config
    assert type(kept) is type(asked)

    await client.upsert(name, points())
    assert (await client.query_points(name, query=[1.0, 0.0, 0.0, 0.0], limit=1)).points[0].id == 0

    await client.update_collection(name, quantization_config=Disabled.DISABLED)
    assert (await client.get_collection(name)).config.quantization_config is None
    await client.delete_collection(name)


async def test_hints_for_a_big_server_are_taken_and_change_nothing(client):
    name = f"test-{uuid.uuid4().hex}"
    request = raw.CreateCollection(
        collection_name=name,
        vectors_config=raw.VectorsConfig(params=raw.VectorParams(size=SIZE, distance=raw.Distance.Cosine)),
        hnsw_config=raw.HnswConfigDiff(m=0, payload_m=16),
    )
    assert (await client.grpc_collections.Create(request)).result
    await client.upsert(name, points())
    assert (await client.query_points(name, query=[1.0, 0.0, 0.0, 0.0], limit=1)).points[0].id == 0
    await client.delete_collection(name)

"""The messages of Qdrant's gRPC API that the semantic cache sends, and the names in them.

Built here and not by the official client's own methods: these put every number of every vector through Python objects
(28 ms of CPU for a batch query of 64 vectors, against 2.3 ms; the figures are in `local/qdrant.py`).
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from qdrant_client import grpc as qdrant

from askonce_worker.answering.ports import StoredVector, Vector, VectorQuery
from askonce_worker.cache.qdrant_quantization import Quantization, config_of

CANDIDATES = 5
NEIGHBOURS = 20
"""For an explanation: of these some are of the question's own scope."""
GRAPH = qdrant.HnswConfigDiff(m=16, payload_m=16)
OVERSAMPLING = 2.0
_EXACT_SCORES = qdrant.SearchParams(
    quantization=qdrant.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
)
"""An operator's quantisation must not decide about a threshold."""
_WITH_VECTORS = qdrant.WithVectorsSelector(enable=True)
_FINGERPRINT_ONLY = qdrant.WithPayloadSelector(include=qdrant.PayloadIncludeSelector(fields=["fingerprint"]))


def collection_prefix(prefix: str, embedding_model: str) -> str:
    """What the collections of a model begin with; its dimension follows.

    A model whose name does not survive the cleaning gets a digest, so that `a/b` and `a-b` do not meet.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", embedding_model).strip("-.")[:100]
    if slug != embedding_model:
        slug = f"{slug}-{hashlib.sha256(embedding_model.encode()).hexdigest()[:8]}"
    return f"{prefix}-{slug}-"


def is_of_model(collection: str, model_prefix: str, dimensions: int | None) -> bool:
    """dimensions: None for any."""
    size = collection.removeprefix(model_prefix) if collection.startswith(model_prefix) else ""
    return size == str(dimensions) if dimensions is not None else size.isdigit()


def point_id(fingerprint: str) -> qdrant.PointId:
    return qdrant.PointId(uuid=str(uuid_of(fingerprint)))


def uuid_of(fingerprint: str) -> UUID:
    """The first 16 bytes of the fingerprint (base64url of SHA-256, unpadded) as a UUID."""
    return UUID(bytes=base64.urlsafe_b64decode(fingerprint + "=")[:16])


def matches(key: str, value: str) -> qdrant.Condition:
    return qdrant.Condition(field=qdrant.FieldCondition(key=key, match=qdrant.Match(keyword=value)))


def in_range(key: str, **bounds: float) -> qdrant.Condition:
    """Bounds: `gt`, `gte`, `lt`, `lte`."""
    return qdrant.Condition(field=qdrant.FieldCondition(key=key, range=qdrant.Range(**bounds)))


def queries(collection: str, questions: Sequence[VectorQuery], now: int) -> qdrant.QueryBatchPoints:
    """Most of a batch are the same but for their vectors, which are put straight into the place where they stand."""
    same: dict[tuple[str, str, float, bool], qdrant.QueryPoints] = {}
    batch = qdrant.QueryBatchPoints(collection_name=collection)
    for each in questions:
        wants = (each.scope, each.epochs, each.threshold, each.vectors)
        if (plain := same.get(wants)) is None:
            plain = same[wants] = _without_vector(collection, each, now)
        query = batch.query_points.add()
        query.CopyFrom(plain)
        query.query.nearest.dense.MergeFromString(_wire_form(each.vector))
    return batch


def _without_vector(collection: str, question: VectorQuery, now: int) -> qdrant.QueryPoints:
    must = [matches("scope", question.scope), in_range("expires_at", gt=now)]
    if question.epochs:
        must.append(matches("epochs", question.epochs))
    return qdrant.QueryPoints(
        collection_name=collection,
        filter=qdrant.Filter(must=must),
        limit=CANDIDATES,
        score_threshold=question.threshold,
        with_payload=_FINGERPRINT_ONLY,
        with_vectors=_WITH_VECTORS if question.vectors else None,
        params=_EXACT_SCORES,
    )


def near(collection: str, vector: Vector, namespace: str, now: int) -> qdrant.QueryPoints:
    """The nearest points of a namespace, of any scope and epochs."""
    fields = qdrant.PayloadIncludeSelector(fields=["fingerprint", "scope", "model"])
    return qdrant.QueryPoints(
        collection_name=collection,
        query=qdrant.Query(nearest=qdrant.VectorInput(dense=_dense(vector))),
        filter=qdrant.Filter(must=[matches("namespace", namespace), in_range("expires_at", gt=now)]),
        limit=NEIGHBOURS,
        with_payload=qdrant.WithPayloadSelector(include=fields),
        params=_EXACT_SCORES,
    )


def vectors_of(collection: str, fingerprints: Sequence[str]) -> qdrant.GetPoints:
    return qdrant.GetPoints(
        collection_name=collection,
        ids=[point_id(each) for each in fingerprints],
        with_payload=_FINGERPRINT_ONLY,
        with_vectors=_WITH_VECTORS,
    )


def vector_in(found: qdrant.ScoredPoint | qdrant.RetrievedPoint) -> Vector | None:
    """Its vector, where the request asked for it. Servers before 1.16 have it in `data`."""
    output = found.vectors.vector
    numbers = output.dense.data or output.data
    return np.array(numbers, np.float32) if numbers else None


def point(stored: StoredVector) -> qdrant.PointStruct:
    payload = {
        "scope": qdrant.Value(string_value=stored.scope),
        "epochs": qdrant.Value(string_value=stored.epochs),
        "model": qdrant.Value(string_value=stored.model),
        "namespace": qdrant.Value(string_value=stored.namespace),
        "fingerprint": qdrant.Value(string_value=stored.fingerprint),
        "expires_at": qdrant.Value(integer_value=stored.expires_at),
        "created_at": qdrant.Value(integer_value=stored.created_at),
    }
    vectors = qdrant.Vectors(vector=qdrant.Vector(dense=_dense(stored.vector)))
    return qdrant.PointStruct(id=point_id(stored.fingerprint), vectors=vectors, payload=payload)


def look_at(collection: str, vectors: Sequence[StoredVector]) -> qdrant.GetPoints:
    """Asks for these points, as far as `is_as_stored` needs them."""
    fields = qdrant.PayloadIncludeSelector(fields=["scope", "epochs", "created_at", "expires_at"])
    return qdrant.GetPoints(
        collection_name=collection,
        ids=[point_id(each.fingerprint) for each in vectors],
        with_payload=qdrant.WithPayloadSelector(include=fields),
    )


def is_as_stored(found: qdrant.RetrievedPoint, stored: StoredVector) -> bool:
    """Whether what was found is of this very vector, and not of an earlier answer to the same question."""
    payload = found.payload
    texts = (payload["scope"].string_value, payload["epochs"].string_value)
    times = (payload["created_at"].integer_value, payload["expires_at"].integer_value)
    return (*texts, *times) == (stored.scope, stored.epochs, stored.created_at, stored.expires_at)


def collection_of(name: str, dimension: int, quantization: Quantization = "none") -> qdrant.CreateCollection:
    """A graph over all points, and one more inside each scope that is large: every search is of one scope.

    The first one is needed too. Without it (`m=0`) a scope's graph has a single entry point in each segment, and once
    that point has expired or was deleted, the search of the scope finds nothing (Qdrant 1.12 to 1.19).
    """
    quantized = config_of(quantization)
    vector = qdrant.VectorParams(
        size=dimension, distance=qdrant.Distance.Cosine, on_disk=None if quantized is None else True
    )
    return qdrant.CreateCollection(
        collection_name=name,
        vectors_config=qdrant.VectorsConfig(params=vector),
        hnsw_config=GRAPH,
        quantization_config=quantized,
    )


def with_graph(name: str) -> qdrant.UpdateCollection:
    """For collections that earlier releases made without a graph over all points."""
    return qdrant.UpdateCollection(collection_name=name, hnsw_config=GRAPH)


def indexes_of(name: str) -> Iterator[qdrant.CreateFieldIndexCollection]:
    """The fields that searches and maintenance (`created_at`) filter on. Only the scope needs its own graph."""
    keyword, integer = qdrant.FieldType.FieldTypeKeyword, qdrant.FieldType.FieldTypeInteger
    scope = qdrant.KeywordIndexParams(is_tenant=True)
    yield _index(name, "scope", keyword, keyword_index_params=scope)
    for field in ("epochs", "namespace"):
        yield _index(name, field, keyword, keyword_index_params=qdrant.KeywordIndexParams(enable_hnsw=False))
    for field in ("expires_at", "created_at"):
        params = qdrant.IntegerIndexParams(lookup=False, range=True, enable_hnsw=False)
        yield _index(name, field, integer, integer_index_params=params)


def _index(
    collection: str, field: str, kind: qdrant.FieldType.ValueType, **params: Any
) -> qdrant.CreateFieldIndexCollection:
    return qdrant.CreateFieldIndexCollection(
        collection_name=collection,
        wait=True,
        field_name=field,
        field_type=kind,
        field_index_params=qdrant.PayloadIndexParams(**params),
    )


def _dense(vector: Vector) -> qdrant.DenseVector:
    dense = qdrant.DenseVector()
    dense.ParseFromString(_wire_form(vector))
    return dense


def _wire_form(vector: Vector) -> bytes:
    """That of `repeated float data = 1` is a tag, a length and float32s, little-endian: a numpy array's own bytes.
    Parsing these copies them once; assigning `data` would take every number by itself (13 ms, not 2.6)."""
    numbers = vector.astype("<f4", copy=False).tobytes()
    return b"\x0a" + _varint(len(numbers)) + numbers


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)

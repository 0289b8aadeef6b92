"""Points, vectors and payloads between Qdrant's messages and the engine's values."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from collections.abc import Sized
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_filters import to_id
from askonce_worker.local.qdrant_payloads import from_payload, to_payload


def to_point(message: qdrant.PointStruct, size: int) -> edge.Point:
    vectors = message.vectors
    if vectors.WhichOneof("vectors_options") != "vector":
        raise Unsupported("named vectors")
    vector = vectors.vector
    only(vector, "data", "dense")
    numbers = vector.dense.data if vector.HasField("dense") else vector.data
    check_size(size, numbers)
    return edge.Point(to_id(message.id), numbers[:], to_payload(message.payload))


def check_size(expected: int, numbers: Sized) -> None:
    """Check before anything is written: the engine would stop halfway through a batch. Raises WrongInput."""
    if len(numbers) != expected:
        raise WrongInput(f"Vector dimension error: expected dim: {expected}, got {len(numbers)}")


def payload_wanted(message: Any) -> bool | list[str] | edge.PayloadSelector:
    """The part of the payload that a request asks for. By default nothing, as in Qdrant's gRPC API."""
    selector: qdrant.WithPayloadSelector = message.with_payload
    kind = selector.WhichOneof("selector_options")
    if kind == "include":
        return list(selector.include.fields)
    if kind == "exclude":
        return edge.PayloadSelector.Exclude(list(selector.exclude.fields))
    return selector.enable


def vector_wanted(message: Any) -> bool:
    selector: qdrant.WithVectorsSelector = message.with_vectors
    only(selector, "enable")
    return selector.enable


def from_id(point: int | str | UUID) -> qdrant.PointId:
    return qdrant.PointId(num=point) if isinstance(point, int) else qdrant.PointId(uuid=str(point))


def from_scored(point: edge.ScoredPoint) -> qdrant.ScoredPoint:
    return qdrant.ScoredPoint(
        id=from_id(point.id),
        payload=from_payload(point.payload),
        score=point.score,
        version=point.version,
        vectors=_from_vector(point.vector),
    )


def from_record(record: edge.Record) -> qdrant.RetrievedPoint:
    return qdrant.RetrievedPoint(
        id=from_id(record.id), payload=from_payload(record.payload), vectors=_from_vector(record.vector)
    )


def _from_vector(vector: Any) -> qdrant.VectorsOutput | None:
    if vector is None:
        return None
    return qdrant.VectorsOutput(vector=qdrant.VectorOutput(dense=qdrant.DenseVector(data=vector)))

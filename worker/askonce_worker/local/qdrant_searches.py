"""Qdrant's queries as the engine's."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_filters import optional_filter
from askonce_worker.local.qdrant_shape import EF, Shape
from askonce_worker.local.qdrant_values import check_size, payload_wanted, vector_wanted

_FIELDS = ("query", "filter", "params", "score_threshold", "limit", "offset", "with_payload", "with_vectors")
_CONSISTENCY = ("collection_name", "read_consistency", "timeout")
_LIMIT = 10
_OVERSAMPLING = 2.0


def to_search(request: qdrant.QueryPoints, shape: Shape) -> edge.QueryRequest:
    """With a limit that covers the offset: who merges several answers cuts it off."""
    only(request, *_FIELDS, *_CONSISTENCY)
    if not request.HasField("query"):
        raise Unsupported("a query without a vector")
    return edge.QueryRequest(
        limit=request.offset + (request.limit if request.HasField("limit") else _LIMIT),
        query=_nearest(request.query, shape.size),
        with_vector=vector_wanted(request),
        with_payload=payload_wanted(request),
        filter=optional_filter(request),
        score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
        params=_params(request.params, shape),
    )


def _nearest(message: qdrant.Query, size: int) -> edge.Query:
    only(message, "nearest")
    kind = message.nearest.WhichOneof("variant")
    if kind is None:
        raise WrongInput("a query needs a vector")
    if kind != "dense":
        raise Unsupported(f"VectorInput.{kind}")
    numbers = message.nearest.dense.data
    check_size(size, numbers)
    # The container as it is: the engine reads it faster than a list could be made of it.
    return edge.Query.Nearest(numbers)


def _params(message: qdrant.SearchParams, shape: Shape) -> edge.SearchParams:
    only(message, "hnsw_ef", "exact", "indexed_only", "quantization")
    return edge.SearchParams(
        hnsw_ef=message.hnsw_ef if message.HasField("hnsw_ef") else EF,
        exact=message.exact,
        indexed_only=message.indexed_only,
        quantization=_quantization(message.quantization, shape),
    )


def _quantization(message: qdrant.QuantizationSearchParams, shape: Shape) -> edge.QuantizationSearchParams:
    """Whoever did not ask for quantized vectors gets the scores of the originals."""
    only(message, "ignore", "rescore", "oversampling")
    asked: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    if not shape.quantization:
        asked = {"oversampling": _OVERSAMPLING, **asked, "rescore": True}
    return edge.QuantizationSearchParams(**asked)

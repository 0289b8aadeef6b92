"""Translates Qdrant's queries to the engine's."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_filters import to_filter
from askonce_worker.local.qdrant_shape import EF, EF_FILTERED, Shape
from askonce_worker.local.qdrant_values import check_size, payload_wanted, vector_wanted
from askonce_worker.local.qdrant_walks import Condition, Search, Walk

_FIELDS = ("query", "filter", "params", "score_threshold", "limit", "offset", "with_payload", "with_vectors")
_CONSISTENCY = ("collection_name", "read_consistency", "timeout")
_LIMIT = 10
_OVERSAMPLING = 2.0
_SPARE = 3
"""A walk looks for this many times the points that are wanted, because some will not match."""


def to_searches(requests: Iterable[qdrant.QueryPoints], shape: Shape) -> list[Search]:
    """The limits cover the offsets. They are cut off after the results have been merged."""
    condition = cache(_condition)  # most queries of a batch share theirs
    params = cache(partial(_params, shape))
    searches = []
    for request in requests:
        only(request, *_FIELDS, *_CONSISTENCY)
        if not request.HasField("query"):
            raise Unsupported("a query without a vector")
        filtered = condition(request.filter.SerializeToString()) if request.HasField("filter") else None
        asked = request.params.SerializeToString()
        searches.append(_search(request, filtered, partial(params, asked), shape))
    return searches


def _search(
    request: qdrant.QueryPoints, condition: Condition | None, params: Callable[[int], edge.SearchParams], shape: Shape
) -> Search:
    """params: by `ef`."""
    limit = request.offset + (request.limit if request.HasField("limit") else _LIMIT)
    numbers = _numbers(request.query, shape.size)
    threshold = request.score_threshold if request.HasField("score_threshold") else None
    common: dict[str, Any] = {"with_vector": vector_wanted(request), "with_payload": payload_wanted(request)}
    kept = params(EF_FILTERED if condition else EF)
    asked = edge.QueryRequest(
        query=edge.Query.Nearest(numbers),
        limit=limit,
        filter=condition.filter if condition else None,
        score_threshold=threshold,
        params=kept,
        **common,
    )
    # Without a threshold a walk always fills its limit, whether or not the points match.
    own = kept.exact or kept.indexed_only or request.params.HasField("hnsw_ef") or shape.distance != "Cosine"
    if condition is None or threshold is None or own:
        return Search(asked, limit, None)
    return Search(asked, limit, Walk(numbers, threshold, condition, limit, limit * _SPARE + 1, params, common))


def _condition(message: bytes) -> Condition:
    whole = qdrant.Filter.FromString(message)
    lasting = qdrant.Filter.FromString(message)
    del lasting.must[:]
    lasting.must.extend(each for each in whole.must if not each.field.HasField("range"))
    return Condition(to_filter(whole), to_filter(lasting), lasting.SerializeToString())


def _numbers(message: qdrant.Query, size: int) -> Any:
    only(message, "nearest")
    kind = message.nearest.WhichOneof("variant")
    if kind is None:
        raise WrongInput("a query needs a vector")
    if kind != "dense":
        raise Unsupported(f"VectorInput.{kind}")
    numbers = message.nearest.dense.data
    check_size(size, numbers)
    # Not copied to a list: the engine reads the container faster than that.
    return numbers


def _params(shape: Shape, message: bytes, ef: int) -> edge.SearchParams:
    asked = qdrant.SearchParams.FromString(message)
    only(asked, "hnsw_ef", "exact", "indexed_only", "quantization")
    return edge.SearchParams(
        hnsw_ef=asked.hnsw_ef if asked.HasField("hnsw_ef") else ef,
        exact=asked.exact,
        indexed_only=asked.indexed_only,
        quantization=_quantization(asked.quantization, shape),
    )


def _quantization(message: qdrant.QuantizationSearchParams, shape: Shape) -> edge.QuantizationSearchParams:
    """A client that did not ask for quantization gets the scores of the original vectors."""
    only(message, "ignore", "rescore", "oversampling")
    asked: dict[str, Any] = {field.name: value for field, value in message.ListFields()}
    if not shape.quantization:
        asked = {"oversampling": _OVERSAMPLING, **asked, "rescore": True}
    return edge.QuantizationSearchParams(**asked)

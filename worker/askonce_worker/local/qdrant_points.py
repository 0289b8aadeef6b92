"""Qdrant's `Points` service over the embedded shards."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from collections.abc import Sequence
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_collection import Collection
from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_filters import optional_filter, to_filter, to_id
from askonce_worker.local.qdrant_payloads import to_payload
from askonce_worker.local.qdrant_searches import to_searches
from askonce_worker.local.qdrant_shards import Shards
from askonce_worker.local.qdrant_values import (
    from_id,
    from_record,
    from_scored,
    payload_wanted,
    to_point,
    vector_wanted,
)

_WRITE = ("collection_name", "wait", "ordering", "timeout")
_READ = ("collection_name", "read_consistency", "timeout")
"""Includes how replicas agree, which is ignored: there is one node, and it answers a write once it is applied."""
_INDEX_KINDS = {"keyword_index_params": edge.KeywordIndexParams, "integer_index_params": edge.IntegerIndexParams}
_SCROLL_LIMIT = 10


class PointsService(qdrant.PointsServicer):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def Upsert(self, request: qdrant.UpsertPoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points", *_WRITE)
        collection = self._shards.to_write(request.collection_name)
        collection.upsert([to_point(point, collection.shape.size) for point in request.points])
        return _done()

    def Delete(self, request: qdrant.DeletePoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points", *_WRITE)
        collection, chosen = self._shards.get(request.collection_name), _selected(request.points)
        if isinstance(chosen, list):
            collection.delete(chosen)
        else:
            collection.everywhere(edge.UpdateOperation.delete_points_by_filter(chosen))
        return _done()

    def SetPayload(self, request: qdrant.SetPayloadPoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points_selector", "payload", *_WRITE)
        collection = self._shards.to_write(request.collection_name)
        chosen, payload = _selected(request.points_selector), to_payload(request.payload)
        if isinstance(chosen, list):
            collection.set_payload(chosen, payload)
        else:
            collection.everywhere(edge.UpdateOperation.set_payload_by_filter(chosen, payload))
        return _done()

    def CreateFieldIndex(
        self, request: qdrant.CreateFieldIndexCollection, _context: Any
    ) -> qdrant.PointsOperationResponse:
        only(request, "field_name", "field_type", "field_index_params", *_WRITE)
        operation = edge.UpdateOperation.create_field_index(request.field_name, _index(request))
        self._shards.get(request.collection_name).everywhere(operation)
        return _done()

    def DeleteFieldIndex(
        self, request: qdrant.DeleteFieldIndexCollection, _context: Any
    ) -> qdrant.PointsOperationResponse:
        only(request, "field_name", *_WRITE)
        operation = edge.UpdateOperation.delete_field_index(request.field_name)
        self._shards.get(request.collection_name).everywhere(operation)
        return _done()

    def Get(self, request: qdrant.GetPoints, _context: Any) -> qdrant.GetResponse:
        only(request, "ids", "with_payload", "with_vectors", *_READ)
        ids = [to_id(point) for point in request.ids]
        collection = self._shards.get(request.collection_name)
        records = collection.retrieve(ids, payload_wanted(request), vector_wanted(request))
        return qdrant.GetResponse(result=[from_record(record) for record in records])

    def Count(self, request: qdrant.CountPoints, _context: Any) -> qdrant.CountResponse:
        only(request, "filter", "exact", *_READ)
        count = self._shards.get(request.collection_name).count(optional_filter(request))
        return qdrant.CountResponse(result=qdrant.CountResult(count=count))

    def Scroll(self, request: qdrant.ScrollPoints, _context: Any) -> qdrant.ScrollResponse:
        only(request, "filter", "offset", "limit", "with_payload", "with_vectors", *_READ)
        records, following = self._shards.get(request.collection_name).scroll(
            to_id(request.offset) if request.HasField("offset") else None,
            request.limit if request.HasField("limit") else _SCROLL_LIMIT,
            filter=optional_filter(request),
            with_payload=payload_wanted(request),
            with_vector=vector_wanted(request),
        )
        return qdrant.ScrollResponse(
            result=[from_record(record) for record in records],
            next_page_offset=None if following is None else from_id(following),
        )

    def Query(self, request: qdrant.QueryPoints, _context: Any) -> qdrant.QueryResponse:
        [found] = _search(self._shards.get(request.collection_name), [request])
        return qdrant.QueryResponse(result=[from_scored(point) for point in found])

    def QueryBatch(self, request: qdrant.QueryBatchPoints, _context: Any) -> qdrant.QueryBatchResponse:
        only(request, "query_points", *_READ)
        found = _search(self._shards.get(request.collection_name), request.query_points)
        results = [qdrant.BatchResult(result=[from_scored(point) for point in points]) for points in found]
        return qdrant.QueryBatchResponse(result=results)


def _done() -> qdrant.PointsOperationResponse:
    done = qdrant.UpdateResult(operation_id=0, status=qdrant.UpdateStatus.Completed)
    return qdrant.PointsOperationResponse(result=done)


def _search(collection: Collection, requests: Sequence[qdrant.QueryPoints]) -> list[list[edge.ScoredPoint]]:
    found = collection.search(to_searches(requests, collection.shape))
    return [points[request.offset :] for request, points in zip(requests, found, strict=True)]


def _selected(selector: qdrant.PointsSelector) -> list[Any] | edge.Filter:
    kind = selector.WhichOneof("points_selector_one_of")
    if kind == "points":
        return [to_id(point) for point in selector.points.ids]
    if kind == "filter":
        return to_filter(selector.filter)
    raise WrongInput("a points selector is needed")


def _index(request: qdrant.CreateFieldIndexCollection) -> Any:
    kind = request.field_index_params.WhichOneof("index_params")
    if kind is None:
        name = qdrant.FieldType.Name(request.field_type).removeprefix("FieldType")
        return getattr(edge.PayloadSchemaType, name)
    if kind not in _INDEX_KINDS:
        raise Unsupported(f"PayloadIndexParams.{kind}")
    params = getattr(request.field_index_params, kind)
    only(params, "is_tenant", "is_principal", "lookup", "range", "on_disk", "enable_hnsw")
    return _INDEX_KINDS[kind](**{field.name: value for field, value in params.ListFields()})

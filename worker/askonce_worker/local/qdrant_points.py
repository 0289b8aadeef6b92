"""Qdrant's `Points` service over the embedded shards."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant
from qdrant_client.conversions.conversion import grpc_to_payload

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_filters import optional_filter, to_filter, to_id
from askonce_worker.local.qdrant_shards import Shards
from askonce_worker.local.qdrant_values import (
    from_id,
    from_record,
    from_scored,
    payload_wanted,
    to_point,
    to_query,
    vector_wanted,
)

_WRITE = ("collection_name", "wait", "ordering", "timeout")
_READ = ("collection_name", "read_consistency", "timeout")
"""How replicas agree: one node always does, and every write is applied before it is answered."""
_INDEX_KINDS = {"keyword_index_params": edge.KeywordIndexParams, "integer_index_params": edge.IntegerIndexParams}
_SCROLL_LIMIT = 10


class PointsService(qdrant.PointsServicer):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def _write(self, collection: str, operation: edge.UpdateOperation) -> qdrant.PointsOperationResponse:
        self._shards.written(collection).update(operation)
        done = qdrant.UpdateResult(operation_id=0, status=qdrant.UpdateStatus.Completed)
        return qdrant.PointsOperationResponse(result=done)

    def Upsert(self, request: qdrant.UpsertPoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points", *_WRITE)
        size = self._shards.get(request.collection_name).shape.size
        points = [to_point(point, size) for point in request.points]
        return self._write(request.collection_name, edge.UpdateOperation.upsert_points(points))

    def Delete(self, request: qdrant.DeletePoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points", *_WRITE)
        chosen = _selected(request.points)
        if isinstance(chosen, list):
            return self._write(request.collection_name, edge.UpdateOperation.delete_points(chosen))
        return self._write(request.collection_name, edge.UpdateOperation.delete_points_by_filter(chosen))

    def SetPayload(self, request: qdrant.SetPayloadPoints, _context: Any) -> qdrant.PointsOperationResponse:
        only(request, "points_selector", "payload", *_WRITE)
        chosen, payload = _selected(request.points_selector), grpc_to_payload(request.payload)
        if isinstance(chosen, list):
            return self._write(request.collection_name, edge.UpdateOperation.set_payload(chosen, payload))
        return self._write(request.collection_name, edge.UpdateOperation.set_payload_by_filter(chosen, payload))

    def CreateFieldIndex(
        self, request: qdrant.CreateFieldIndexCollection, _context: Any
    ) -> qdrant.PointsOperationResponse:
        only(request, "field_name", "field_type", "field_index_params", *_WRITE)
        operation = edge.UpdateOperation.create_field_index(request.field_name, _index(request))
        return self._write(request.collection_name, operation)

    def DeleteFieldIndex(
        self, request: qdrant.DeleteFieldIndexCollection, _context: Any
    ) -> qdrant.PointsOperationResponse:
        only(request, "field_name", *_WRITE)
        return self._write(request.collection_name, edge.UpdateOperation.delete_field_index(request.field_name))

    def Get(self, request: qdrant.GetPoints, _context: Any) -> qdrant.GetResponse:
        only(request, "ids", "with_payload", "with_vectors", *_READ)
        shard = self._shards.get(request.collection_name).shard
        ids = [to_id(point) for point in request.ids]
        records = shard.retrieve(ids, payload_wanted(request), vector_wanted(request))
        return qdrant.GetResponse(result=[from_record(record) for record in records])

    def Count(self, request: qdrant.CountPoints, _context: Any) -> qdrant.CountResponse:
        only(request, "filter", "exact", *_READ)
        shard = self._shards.get(request.collection_name).shard
        count = shard.count(edge.CountRequest(exact=True, filter=optional_filter(request)))
        return qdrant.CountResponse(result=qdrant.CountResult(count=count))

    def Scroll(self, request: qdrant.ScrollPoints, _context: Any) -> qdrant.ScrollResponse:
        only(request, "filter", "offset", "limit", "with_payload", "with_vectors", *_READ)
        page = edge.ScrollRequest(
            offset=to_id(request.offset) if request.HasField("offset") else None,
            limit=request.limit if request.HasField("limit") else _SCROLL_LIMIT,
            filter=optional_filter(request),
            with_payload=payload_wanted(request),
            with_vector=vector_wanted(request),
        )
        records, following = self._shards.get(request.collection_name).shard.scroll(page)
        return qdrant.ScrollResponse(
            result=[from_record(record) for record in records],
            next_page_offset=None if following is None else from_id(following),
        )

    def Query(self, request: qdrant.QueryPoints, _context: Any) -> qdrant.QueryResponse:
        collection = self._shards.get(request.collection_name)
        found = collection.shard.query(_query(request, collection.shape.size))
        return qdrant.QueryResponse(result=[from_scored(point) for point in found])

    def QueryBatch(self, request: qdrant.QueryBatchPoints, _context: Any) -> qdrant.QueryBatchResponse:
        only(request, "query_points", *_READ)
        collection = self._shards.get(request.collection_name)
        queries = [_query(query, collection.shape.size) for query in request.query_points]
        found = collection.shard.query_batch(edge.QueryBatchRequest(queries))
        results = [qdrant.BatchResult(result=[from_scored(point) for point in points]) for points in found]
        return qdrant.QueryBatchResponse(result=results)


def _query(request: qdrant.QueryPoints, size: int) -> edge.QueryRequest:
    supported = ("query", "filter", "params", "score_threshold", "limit", "offset", "with_payload", "with_vectors")
    only(request, *supported, *_READ)
    only(request.params, "hnsw_ef", "exact", "indexed_only", "quantization")
    if not request.HasField("query"):
        raise Unsupported("a query without a vector")
    return edge.QueryRequest(
        limit=request.limit if request.HasField("limit") else _SCROLL_LIMIT,
        offset=request.offset,
        query=to_query(request.query, size),
        with_vector=vector_wanted(request),
        with_payload=payload_wanted(request),
        filter=optional_filter(request),
        score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
    )


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

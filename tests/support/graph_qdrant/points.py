"""Qdrant's `Points` service, as far as askonce and its tests use it."""

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_filters import optional_filter, to_filter, to_id
from askonce_worker.local.qdrant_values import (
    check_size,
    from_id,
    from_record,
    from_scored,
    payload_wanted,
    to_point,
    vector_wanted,
)
from support.graph_qdrant.shards import Collections

_INDEXES = {"keyword_index_params": "KeywordIndexParams", "integer_index_params": "IntegerIndexParams"}
_LIMIT = 10


class PointsService(qdrant.PointsServicer):
    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def _write(self, collection: str, operation: Any) -> Any:
        self._collections.get(collection).update(operation)
        done = qdrant.UpdateResult(operation_id=0, status=qdrant.UpdateStatus.Completed)
        return qdrant.PointsOperationResponse(result=done)

    def Upsert(self, request: Any, _: Any) -> Any:
        size = self._collections.get(request.collection_name).size
        points = [to_point(point, size) for point in request.points]
        return self._write(request.collection_name, edge.UpdateOperation.upsert_points(points))

    def Delete(self, request: Any, _: Any) -> Any:
        chosen = request.points
        if chosen.WhichOneof("points_selector_one_of") == "points":
            operation = edge.UpdateOperation.delete_points([to_id(point) for point in chosen.points.ids])
        else:
            operation = edge.UpdateOperation.delete_points_by_filter(to_filter(chosen.filter))
        return self._write(request.collection_name, operation)

    def CreateFieldIndex(self, request: Any, _: Any) -> Any:
        kind = request.field_index_params.WhichOneof("index_params")
        if kind is None:
            name = qdrant.FieldType.Name(request.field_type).removeprefix("FieldType")
            index = getattr(edge.PayloadSchemaType, name)
        else:
            params = getattr(request.field_index_params, kind)
            index = getattr(edge, _INDEXES[kind])(**{field.name: value for field, value in params.ListFields()})
        operation = edge.UpdateOperation.create_field_index(request.field_name, index)
        return self._write(request.collection_name, operation)

    def Get(self, request: Any, _: Any) -> Any:
        shard = self._collections.get(request.collection_name).shard
        records = shard.retrieve(
            [to_id(point) for point in request.ids], payload_wanted(request), vector_wanted(request)
        )
        return qdrant.GetResponse(result=[from_record(record) for record in records])

    def Count(self, request: Any, _: Any) -> Any:
        shard = self._collections.get(request.collection_name).shard
        count = shard.count(edge.CountRequest(exact=True, filter=optional_filter(request)))
        return qdrant.CountResponse(result=qdrant.CountResult(count=count))

    def Scroll(self, request: Any, _: Any) -> Any:
        page = edge.ScrollRequest(
            offset=to_id(request.offset) if request.HasField("offset") else None,
            limit=request.limit if request.HasField("limit") else _LIMIT,
            filter=optional_filter(request),
            with_payload=payload_wanted(request),
            with_vector=vector_wanted(request),
        )
        records, following = self._collections.get(request.collection_name).shard.scroll(page)
        return qdrant.ScrollResponse(
            result=[from_record(record) for record in records],
            next_page_offset=None if following is None else from_id(following),
        )

    def QueryBatch(self, request: Any, _: Any) -> Any:
        collection = self._collections.get(request.collection_name)
        found = [collection.shard.query(_query(query, collection.size)) for query in request.query_points]
        results = [qdrant.BatchResult(result=[from_scored(point) for point in points]) for points in found]
        return qdrant.QueryBatchResponse(result=results)


def _query(request: Any, size: int) -> Any:
    check_size(size, request.query.nearest.dense.data)
    wanted = request.params.quantization
    quantized = edge.QuantizationSearchParams(
        rescore=wanted.rescore if wanted.HasField("rescore") else None,
        oversampling=wanted.oversampling if wanted.HasField("oversampling") else None,
    )
    return edge.QueryRequest(
        limit=request.limit if request.HasField("limit") else _LIMIT,
        offset=request.offset,
        query=edge.Query.Nearest(request.query.nearest.dense.data),
        with_vector=vector_wanted(request),
        with_payload=payload_wanted(request),
        filter=optional_filter(request),
        score_threshold=request.score_threshold if request.HasField("score_threshold") else None,
        params=edge.SearchParams(quantization=quantized),
    )

"""Qdrant's `Collections` service over the embedded shards."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from base64 import b64decode, b64encode
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_shards import Collection, Shape, Shards

_HINTS = (
    "hnsw_config",
    "optimizers_config",
    "wal_config",
    "on_disk_payload",
    "shard_number",
    "timeout",
    "quantization_config",
)
_VECTOR_HINTS = ("hnsw_config", "on_disk")
"""Options for a big server's index and storage. One node with an exact search answers the same without them."""
_NO_GRAPH = qdrant.HnswConfigDiff(m=0, ef_construct=0, full_scan_threshold=0)
"""What a collection's description says of it; `qdrant_shards.py` says why."""


class CollectionsService(qdrant.CollectionsServicer):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def Create(self, request: qdrant.CreateCollection, _context: Any) -> qdrant.CollectionOperationResponse:
        only(request, "collection_name", "vectors_config", *_HINTS)
        if request.vectors_config.WhichOneof("config") != "params":
            raise Unsupported("a collection of named vectors, or of none")
        params = request.vectors_config.params
        only(params, "size", "distance", *_VECTOR_HINTS)
        if params.size < 1 or params.distance == qdrant.Distance.UnknownDistance:
            raise WrongInput("a collection needs a size and a distance")
        shape = Shape(params.size, qdrant.Distance.Name(params.distance), _described(request))
        self._shards.create(request.collection_name, shape)
        return qdrant.CollectionOperationResponse(result=True)

    def Update(self, request: qdrant.UpdateCollection, _context: Any) -> qdrant.CollectionOperationResponse:
        only(request, "collection_name", *_HINTS)
        self._shards.get(request.collection_name)
        return qdrant.CollectionOperationResponse(result=True)

    def Delete(self, request: qdrant.DeleteCollection, _context: Any) -> qdrant.CollectionOperationResponse:
        return qdrant.CollectionOperationResponse(result=self._shards.delete(request.collection_name))

    def List(self, _request: qdrant.ListCollectionsRequest, _context: Any) -> qdrant.ListCollectionsResponse:
        named = [qdrant.CollectionDescription(name=name) for name in self._shards.names()]
        return qdrant.ListCollectionsResponse(collections=named)

    def CollectionExists(
        self, request: qdrant.CollectionExistsRequest, _context: Any
    ) -> qdrant.CollectionExistsResponse:
        exists = request.collection_name in self._shards.names()
        return qdrant.CollectionExistsResponse(result=qdrant.CollectionExists(exists=exists))

    def Get(self, request: qdrant.GetCollectionInfoRequest, _context: Any) -> qdrant.GetCollectionInfoResponse:
        return qdrant.GetCollectionInfoResponse(result=_info(self._shards.get(request.collection_name)))


def _described(request: qdrant.CreateCollection) -> str:
    return b64encode(request.quantization_config.SerializeToString()).decode()


def _info(collection: Collection) -> qdrant.CollectionInfo:
    info = collection.shard.info()
    vector = qdrant.VectorParams(size=collection.shape.size, distance=qdrant.Distance.Value(collection.shape.distance))
    config = qdrant.CollectionConfig(
        params=qdrant.CollectionParams(vectors_config=qdrant.VectorsConfig(params=vector), shard_number=1),
        hnsw_config=_NO_GRAPH,
        optimizer_config=qdrant.OptimizersConfigDiff(default_segment_number=1),
        wal_config=qdrant.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
    )
    if collection.shape.quantization:
        config.quantization_config.ParseFromString(b64decode(collection.shape.quantization))
    return qdrant.CollectionInfo(
        status=qdrant.CollectionStatus.Green,
        optimizer_status=qdrant.OptimizerStatus(ok=True),
        segments_count=info.segments_count,
        points_count=info.points_count,
        indexed_vectors_count=info.indexed_vectors_count,
        config=config,
        payload_schema={field: _index(index) for field, index in info.payload_schema.items()},
    )


def _index(index: edge.PayloadIndexInfo) -> qdrant.PayloadSchemaInfo:
    kind = str(index.data_type).rpartition(".")[2]
    return qdrant.PayloadSchemaInfo(data_type=qdrant.PayloadSchemaType.Value(kind), points=index.points)

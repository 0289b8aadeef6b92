"""Qdrant's `Collections` service over the embedded shards."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_collection import Collection
from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only
from askonce_worker.local.qdrant_shape import EF_CONSTRUCT, M, Shape
from askonce_worker.local.qdrant_shards import Shards

_HINTS = ("hnsw_config", "optimizers_config", "wal_config", "on_disk_payload", "shard_number", "timeout", "params")
_VECTOR_HINTS = ("hnsw_config", "on_disk")
"""Options for a large server's index and storage, ignored: this server manages its own."""
_GRAPH = qdrant.HnswConfigDiff(m=M, payload_m=M, ef_construct=EF_CONSTRUCT, full_scan_threshold=1000)
_KINDS = {"scalar": "int8", "binary": "binary", "disabled": "", None: ""}


class CollectionsService(qdrant.CollectionsServicer):
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    def Create(self, request: qdrant.CreateCollection, _context: Any) -> qdrant.CollectionOperationResponse:
        only(request, "collection_name", "vectors_config", "quantization_config", *_HINTS)
        if request.vectors_config.WhichOneof("config") != "params":
            raise Unsupported("a collection of named vectors, or of none")
        params = request.vectors_config.params
        only(params, "size", "distance", "quantization_config", *_VECTOR_HINTS)
        if params.size < 1 or params.distance == qdrant.Distance.UnknownDistance:
            raise WrongInput("a collection needs a size and a distance")
        own = params.HasField("quantization_config")
        quantized = _quantized(params.quantization_config if own else request.quantization_config)
        shape = Shape(params.size, qdrant.Distance.Name(params.distance), *quantized)
        self._shards.create(request.collection_name, shape)
        return qdrant.CollectionOperationResponse(result=True)

    def Update(self, request: qdrant.UpdateCollection, _context: Any) -> qdrant.CollectionOperationResponse:
        """A new quantization applies to graphs that are built from now on."""
        only(request, "collection_name", "quantization_config", *_HINTS)
        collection = self._shards.get(request.collection_name)
        if request.HasField("quantization_config"):
            kind, asked = _quantized(request.quantization_config)
            collection.reshape(replace(collection.shape, quantization=kind, quantization_asked=asked))
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


def _quantized(message: Any) -> tuple[str, str]:
    """Its kind, and the request's message. (The message of an update numbers its fields differently.)"""
    kind = message.WhichOneof("quantization")
    if kind not in _KINDS:
        raise Unsupported(f"QuantizationConfig.{kind}")
    if not _KINDS[kind]:
        return "", ""
    config = qdrant.QuantizationConfig(**{kind: getattr(message, kind)})
    return _KINDS[kind], b64encode(config.SerializeToString()).decode()


def _info(collection: Collection) -> qdrant.CollectionInfo:
    parts = [part.shard.info() for part in collection.parts]
    status = qdrant.CollectionStatus.Yellow if collection.building else qdrant.CollectionStatus.Green
    return qdrant.CollectionInfo(
        status=status,
        optimizer_status=qdrant.OptimizerStatus(ok=True),
        segments_count=sum(part.segments_count for part in parts),
        points_count=sum(part.points_count for part in parts),
        indexed_vectors_count=sum(part.indexed_vectors_count for part in parts),
        config=_config(collection.shape),
        payload_schema={
            field: _index([part.payload_schema[field] for part in parts if field in part.payload_schema])
            for field in parts[-1].payload_schema
        },
    )


def _config(shape: Shape) -> qdrant.CollectionConfig:
    vector = qdrant.VectorParams(size=shape.size, distance=qdrant.Distance.Value(shape.distance))
    config = qdrant.CollectionConfig(
        params=qdrant.CollectionParams(vectors_config=qdrant.VectorsConfig(params=vector), shard_number=1),
        hnsw_config=_GRAPH,
        optimizer_config=qdrant.OptimizersConfigDiff(default_segment_number=1),
        wal_config=qdrant.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
    )
    if shape.quantization:
        config.quantization_config.ParseFromString(b64decode(shape.quantization_asked))
    return config


def _index(of_parts: Sequence[edge.PayloadIndexInfo]) -> qdrant.PayloadSchemaInfo:
    kind = str(of_parts[-1].data_type).rpartition(".")[2]
    points = sum(index.points for index in of_parts)
    return qdrant.PayloadSchemaInfo(data_type=qdrant.PayloadSchemaType.Value(kind), points=points)

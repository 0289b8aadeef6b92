"""Qdrant's `Collections` service, as far as askonce and its tests use it."""

from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import CollectionExists
from support.graph_qdrant.shards import Collection, Collections


class CollectionsService(qdrant.CollectionsServicer):
    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def Create(self, request: Any, _: Any) -> Any:
        name = request.collection_name
        if name in self._collections.named:
            raise CollectionExists(name)
        params = request.vectors_config.params
        quantization = request.quantization_config
        self._collections.named[name] = Collection(params, request.hnsw_config, quantization, _quantized(quantization))
        return qdrant.CollectionOperationResponse(result=True)

    def Update(self, request: Any, _: Any) -> Any:
        self._collections.get(request.collection_name).reshape(request.hnsw_config)
        return qdrant.CollectionOperationResponse(result=True)

    def Delete(self, request: Any, _: Any) -> Any:
        collection = self._collections.named.pop(request.collection_name, None)
        if collection is not None:
            collection.close()
        return qdrant.CollectionOperationResponse(result=collection is not None)

    def List(self, _request: Any, _: Any) -> Any:
        named = [qdrant.CollectionDescription(name=name) for name in self._collections.named]
        return qdrant.ListCollectionsResponse(collections=named)

    def Get(self, request: Any, _: Any) -> Any:
        collection = self._collections.get(request.collection_name)
        info = collection.shard.info()
        config = qdrant.CollectionConfig(
            params=qdrant.CollectionParams(
                vectors_config=qdrant.VectorsConfig(params=collection.params), shard_number=1
            ),
            hnsw_config=collection.graph,
            optimizer_config=qdrant.OptimizersConfigDiff(default_segment_number=1),
            wal_config=qdrant.WalConfigDiff(wal_capacity_mb=32, wal_segments_ahead=0),
        )
        if collection.quantization.WhichOneof("quantization"):
            config.quantization_config.CopyFrom(collection.quantization)
        result = qdrant.CollectionInfo(
            status=qdrant.CollectionStatus.Yellow if collection.touched else qdrant.CollectionStatus.Green,
            optimizer_status=qdrant.OptimizerStatus(ok=True),
            segments_count=info.segments_count,
            points_count=info.points_count,
            indexed_vectors_count=info.indexed_vectors_count,
            config=config,
            payload_schema={field: _index(index) for field, index in info.payload_schema.items()},
        )
        return qdrant.GetCollectionInfoResponse(result=result)


def _quantized(wanted: qdrant.QuantizationConfig) -> Any:
    kind = wanted.WhichOneof("quantization")
    if kind == "scalar":
        return edge.ScalarQuantizationConfig(edge.ScalarType.Int8)
    return edge.BinaryQuantizationConfig() if kind == "binary" else None


def _index(index: Any) -> qdrant.PayloadSchemaInfo:
    kind = str(index.data_type).rpartition(".")[2]
    info = qdrant.PayloadSchemaInfo(data_type=qdrant.PayloadSchemaType.Value(kind), points=index.points)
    if kind == "Keyword" and index.params is not None:
        info.params.keyword_index_params.CopyFrom(qdrant.KeywordIndexParams(is_tenant=bool(index.params.is_tenant)))
    return info

"""Collections as a Qdrant server keeps them: with the graphs, indexes and quantisation that they were made with.

The stand-in that ships leaves some of this out. Here each setting reaches the engine, and a graph is built from few
points on, so that a test sees what a large collection does. It runs on the engine of every line since 1.17
(qdrant-edge-py 0.6.1).
"""

import tempfile
from typing import Any

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import CollectionMissing

GRAPH_FROM = 2
"""Kilobytes of vectors from which a segment gets a graph, and a scope is searched by it. (A server's own: 10,000.)"""


class Collection:
    def __init__(
        self,
        params: qdrant.VectorParams,
        graph: qdrant.HnswConfigDiff,
        quantization: qdrant.QuantizationConfig,
        quantized: Any,
    ) -> None:
        """quantization, quantized: the same as a message and for the engine."""
        self.params = params
        self.size = params.size
        self.graph = qdrant.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=GRAPH_FROM)
        self.graph.MergeFrom(graph)
        self.quantization, self.quantized = quantization, quantized
        self.touched = False
        self._directory = tempfile.TemporaryDirectory()
        self.shard = edge.EdgeShard.create(self._directory.name, self._config())

    def reshape(self, graph: qdrant.HnswConfigDiff) -> None:
        """What is there is built anew at the next optimization."""
        self.graph.MergeFrom(graph)
        self.shard.close()
        self.shard = edge.EdgeShard.load(self._directory.name, self._config())
        self.touched = True

    def update(self, operation: Any) -> None:
        self.touched = True
        self.shard.update(operation)

    def tidy(self) -> None:
        if self.touched:
            self.touched = False
            self.shard.optimize()

    def close(self) -> None:
        self.shard.close()
        self._directory.cleanup()

    def _config(self) -> Any:
        graph = edge.HnswIndexConfig(
            m=self.graph.m,
            payload_m=self.graph.payload_m if self.graph.HasField("payload_m") else None,
            ef_construct=self.graph.ef_construct,
            full_scan_threshold=GRAPH_FROM,
            max_indexing_threads=1,
        )
        distance = getattr(edge.Distance, qdrant.Distance.Name(self.params.distance))
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=distance),
            hnsw_config=graph,
            quantization_config=self.quantized,
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=GRAPH_FROM, default_segment_number=1),
        )


class Collections:
    """By their names."""

    def __init__(self) -> None:
        self.named: dict[str, Collection] = {}

    def get(self, name: str) -> Collection:
        if name not in self.named:
            raise CollectionMissing(name)
        return self.named[name]

    def tidy(self) -> None:
        for collection in self.named.values():
            collection.tidy()

    def close(self) -> None:
        for collection in self.named.values():
            collection.close()

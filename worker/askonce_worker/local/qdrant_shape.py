"""What a collection's vectors are, and how the engine keeps them: in a plain shard, or in one with a graph.

Measured on two shared cores with 384 dimensions, one scope that holds everything, a fifth of it expired, and searches
for near-duplicates above 0.9 (CPU of one query, and of a batch of 64):

    | points  | exact           | graph, ef 128  | found of what the exact search finds |
    | 10,000  | 0.9 ms, 27 ms   | 0.2 ms, 9 ms   | 99.9 %                               |
    | 100,000 | 14 ms, 230 ms   | 0.4 ms, 21 ms  | 99.8 %                               |
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import os
from dataclasses import dataclass

import qdrant_edge as edge

M = 16
EF = 128
"""Candidates that a search of a graph keeps: 64 found 99.1 % among 100,000, 128 99.8 %, 256 all for twice the time."""
_NEVER = 2**40
"""Kilobytes of vectors from which the engine would build a graph by itself: never in the process that serves.

It holds the interpreter for as long as it builds: 5 s and more for 10,000 vectors.
"""
_ALWAYS = 1


@dataclass(frozen=True, slots=True)
class Shape:
    size: int
    distance: str
    """`Cosine`, `Euclid`, `Dot` or `Manhattan`."""
    quantization: str = ""
    """`int8` or `binary`, where the collection was made with it."""
    quantization_asked: str = ""
    """The request's message, in base64, to be told again."""

    @property
    def is_similarity(self) -> bool:
        """Whether a higher score is a better one."""
        return self.distance in {"Cosine", "Dot"}

    def plain(self) -> edge.EdgeConfig:
        """A shard that is searched exactly."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=getattr(edge.Distance, self.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
        )

    def graph(self) -> edge.EdgeConfig:
        """A shard that becomes one graph when it is optimized. It is walked by quantized vectors, in memory; the
        originals, which decide the scores, stay in the page cache."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.size, distance=getattr(edge.Distance, self.distance), memory=edge.Memory.Cold
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=M,
                payload_m=M,
                ef_construct=EF,
                full_scan_threshold=1000,
                max_indexing_threads=os.cpu_count() or 1,
            ),
            quantization_config=self._quantized(),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=_ALWAYS, default_segment_number=1, max_segment_size=_NEVER
            ),
        )

    def _quantized(self) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig:
        if self.quantization == "binary":
            return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned)

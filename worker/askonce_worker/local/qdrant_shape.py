"""What a collection's vectors are, and how the engine keeps them: in a plain shard, or in one with a graph.

Measured on two shared cores with 384 dimensions, one scope that holds everything, a fifth of it expired, and searches
for near-duplicates above 0.9 (CPU of one query, and of a batch of 64):

    | points  | exact           | a graph, ef 64 | 96             | 128            | 192            |
    | 100,000 | 14 ms, 230 ms   | 0.2, 16: 99.1 %| 0.3, 17: 99.7 %| 0.4, 22: 100 % |                |
    | 250,000 | 34 ms, 570 ms   | 0.4, 28: 97.1 %| 0.5, 30: 98.2 %| 0.6, 37: 99.2 %| 0.9, 51: 100 % |

The larger one was built with `ef_construct` 200, the smaller one with 128. The percentage is the share of what the
exact search finds. Quantized vectors without a graph were no faster than the exact search (52 ms a batch among 20,000,
and 55 ms).
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import os
from dataclasses import dataclass

import qdrant_edge as edge

M = 16
EF = 96
"""Candidates that a search of a graph keeps."""
EF_CONSTRUCT = 128
_NEVER = 2**40
"""Kilobytes of vectors from which the engine would build a graph by itself: never in the process that serves.

It holds the interpreter for as long as it builds: 5 s and more for 10,000 vectors.
"""
_ALWAYS = 1
_MANY = 1000
_GRAPH = 160 << 20
"""Bytes of vectors in a graph, at most: some 100,000 of 384 dimensions.

The engine searches the graphs of a shard side by side. A larger graph wants a larger `ef` for the same share of what is
found, so that two of 125,000 cost no more than one of 250,000, and take half the time where two cores are free.
"""


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

    @property
    def points_of_a_graph(self) -> int:
        return max(1, _GRAPH // (self.size * 4))

    def plain(self) -> edge.EdgeConfig:
        """A shard that is searched exactly."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=getattr(edge.Distance, self.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
        )

    def graph(self) -> edge.EdgeConfig:
        """A shard that, whenever it is optimized, makes a graph of what has none. It is walked by quantized vectors, in
        memory; the originals, which decide the scores, stay in the page cache."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.size, distance=getattr(edge.Distance, self.distance), memory=edge.Memory.Cold
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=M,
                payload_m=M,
                ef_construct=EF_CONSTRUCT,
                full_scan_threshold=1000,
                max_indexing_threads=os.cpu_count() or 1,
            ),
            quantization_config=self._quantized(),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=_ALWAYS, default_segment_number=_MANY, max_segment_size=_NEVER
            ),
        )

    def _quantized(self) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig:
        if self.quantization == "binary":
            return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned)

"""What a collection's vectors are, and how the engine keeps them: in a plain shard, or in one with a graph.

Measured on two cores beside other work with 384 dimensions, 100,000 points, one scope that holds everything, a fifth of
it expired, 795 searches for near-duplicates in batches of 64, walked without their filter (CPU of one, and how many
find what the exact search does; that takes 3.5 ms):

    | m, ef_construct | CPU of the build | ef 64          | 96             | 128            | 256            |
    | 16, 128         | 18 s             | 115 µs, 98.5 % | 119 µs, 99.0 % | 129 µs, 99.2 % | 203 µs, 99.8 % |
    | 32, 128         | 19 s             | 134 µs, 99.5 % | 126 µs, 99.6 % | 142 µs, 99.9 % | 265 µs, 99.9 % |
    | 24, 200         | 28 s             | 152 µs, 99.7 % | 141 µs, 99.9 % | 158 µs, 99.9 % | 294 µs, 100 %  |
    | 16, 256         | 37 s             | 131 µs, 99.6 % | 140 µs, 100 %  | 173 µs, 100 %  | 299 µs, 100 %  |

(The machine was busier for the last three.) A graph of 250,000, made with 128, took 253 µs at ef 128 and found 98.2 %,
308 µs and 99.1 % at 256. Quantized vectors without a graph were no faster than the exact search.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import os
from dataclasses import dataclass

import qdrant_edge as edge

M = 16
EF = 128
"""Candidates that a search of a graph keeps."""
EF_FILTERED = 256
"""The same, where it passes only through points that match a filter."""
EF_CONSTRUCT = 256
_LOOKED_AT = 1000
"""Kilobytes of vectors that match a filter, up to which the engine looks at each."""
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

    @property
    def points_looked_at(self) -> int:
        return (_LOOKED_AT << 10) // (self.size * 4)

    def plain(self) -> edge.EdgeConfig:
        """A shard that is searched exactly."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=getattr(edge.Distance, self.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
            max_search_threads=1,
        )

    def graph(self, graphs: int) -> edge.EdgeConfig:
        """A shard that, whenever it is optimized, makes a graph of what has none. It is walked by quantized vectors, in
        memory; the originals, which decide the scores, stay in the page cache.

        One thread for each graph: by itself the engine keeps eight, and to wake them costs more than a search.
        """
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.size, distance=getattr(edge.Distance, self.distance), memory=edge.Memory.Cold
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=M,
                payload_m=M,
                ef_construct=EF_CONSTRUCT,
                full_scan_threshold=_LOOKED_AT,
                max_indexing_threads=os.cpu_count() or 1,
            ),
            quantization_config=self._quantized(),
            optimizers=edge.EdgeOptimizersConfig(
                indexing_threshold=_ALWAYS, default_segment_number=_MANY, max_segment_size=_NEVER
            ),
            max_search_threads=min(graphs, os.cpu_count() or 1),
        )

    def _quantized(self) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig:
        if self.quantization == "binary":
            return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned)

"""What a collection's vectors are, and how the engine keeps them: in a plain shard, or in one with a graph.

Measured on two cores beside other work with 384 dimensions, 100,000 points, one scope that holds everything, a fifth of
it expired, 795 searches for near-duplicates in batches of 64, walked without their filter (CPU of one, and how many
find what the exact search does; that takes 3.5 ms):

    | m, ef_construct | CPU of the build | ef 64          | 96             | 128            | 256            |
    | 16, 128         | 18 s             | 115 µs, 98.5 % | 119 µs, 99.0 % | 129 µs, 99.2 % | 203 µs, 99.8 % |
    | 32, 128         | 19 s             | 134 µs, 99.5 % | 126 µs, 99.6 % | 142 µs, 99.9 % | 265 µs, 99.9 % |
    | 24, 200         | 28 s             | 152 µs, 99.7 % | 141 µs, 99.9 % | 158 µs, 99.9 % | 294 µs, 100 %  |
    | 16, 256         | 37 s             | 131 µs, 99.6 % | 140 µs, 100 %  | 173 µs, 100 %  | 299 µs, 100 %  |

(The machine was busier for the last three.) Quantized vectors without a graph were no faster than the exact search.

How it grows, with entries in 400 groups within 20 (0.65 alike in the smaller one, two wordings of an entry 0.98), made
with ef_construct 256 in 22 s of CPU (100,000) to 100 s, batches of 64 (CPU of a batch, and how many of 830 to 1,024
wordings were found):

    | points, m      | ef 64          | 128             | 256             | 512             | 1,024           |
    | 100,000, m 16  | 7.1 ms, 99.5 % | 9.9 ms, 99.9 %  | 14.3 ms, 100 %  |                 |                 |
    | 200,000, m 32  | 8.6 ms, 99.4 % | 11.3 ms, 99.5 % | 15.6 ms, 99.8 % | 25.0 ms, 100 %  |                 |
    | 400,000, m 16  | 9.5 ms, 98.3 % | 13.0 ms, 98.5 % | 17.8 ms, 98.9 % | 25.1 ms, 99.1 % | 38.6 ms, 99.6 % |
    | 400,000, m 32  | 11 ms, 98.6 %  | 13.2 ms, 98.8 % | 17.9 ms, 98.9 % | 25.7 ms, 99.5 % | 39.6 ms, 99.7 % |

(100,000 with m 32 took as long at ef 96, 8.3 ms, as with m 16 at 128.) Few large graphs cost less than many small ones.
What is not found is far from where its walk has ended, in another group: nothing there is similar enough for an answer.
A walk through a large graph is therefore quick, and only those searches that have found nothing at all go another way
(`qdrant_walks.py`).
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import os
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

M = 32
EF = 96
"""Candidates that a search of a graph keeps."""
EF_FILTERED = 256
"""The same, where it passes only through points that match a filter."""
EF_QUICK = 64
"""The same, in a large graph."""
_LARGE = 140_000
"""Points of a graph above which its walks are quick, and others follow where they find nothing."""
EF_CONSTRUCT = 256
_LOOKED_AT = 1000
"""Kilobytes of vectors that match a filter, up to which the engine looks at each."""
_NEVER = 2**40
"""Kilobytes of vectors from which the engine would build a graph by itself: never in the process that serves.

It holds the interpreter for as long as it builds: 5 s and more for 10,000 vectors.
"""
_ALWAYS = 1
_MANY = 1000


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
    def points_looked_at(self) -> int:
        return (_LOOKED_AT << 10) // (self.size * 4)

    def plain(self) -> edge.EdgeConfig:
        """A shard that is searched exactly."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=getattr(edge.Distance, self.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
            max_search_threads=1,
        )

    def graph(self) -> edge.EdgeConfig:
        """A shard that, when it is optimized, makes a graph of what it has. It is walked by quantized vectors, in
        memory; the originals, which decide the scores, stay in the page cache, and so do the indexes of what is found.

        One thread: by itself the engine keeps eight, and to wake them costs more than a search.
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
            id_tracker_memory=edge.Memory.Cold,
            max_search_threads=1,
        )

    def _quantized(self) -> edge.ScalarQuantizationConfig | edge.BinaryQuantizationConfig:
        if self.quantization == "binary":
            return edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99, memory=edge.Memory.Pinned)


def is_large(points: int) -> bool:
    """Whether a graph of so many is walked quickly, and again where that has found nothing."""
    return points > _LARGE


def cold(index: edge.PayloadIndexInfo) -> edge.KeywordIndexParams | edge.IntegerIndexParams | Any:
    """The same index, in the page cache: 100,000 points take 0.2 s of CPU less to load."""
    params = index.params
    if isinstance(params, edge.KeywordIndexParams):
        return edge.KeywordIndexParams(
            is_tenant=params.is_tenant, enable_hnsw=params.enable_hnsw, memory=edge.Memory.Cold
        )
    if isinstance(params, edge.IntegerIndexParams):
        return edge.IntegerIndexParams(
            lookup=params.lookup,
            range=params.range,
            is_principal=params.is_principal,
            enable_hnsw=params.enable_hnsw,
            memory=edge.Memory.Cold,
        )
    return params or index.data_type

"""The shape of a collection's vectors, and how the engine stores them: in a plain shard, or in one with a graph.

Measured on two cores that had other work too: 100,000 points of 384 dimensions in one scope, a fifth of them expired,
795 searches for near-duplicates in batches of 64, walked without their filter (CPU per search, and the share that find
what the exact search finds, which takes 3.5 ms):

    | m, ef_construct | CPU of the build | ef 64          | 96             | 128            | 256            |
    | 16, 128         | 18 s             | 115 µs, 98.5 % | 119 µs, 99.0 % | 129 µs, 99.2 % | 203 µs, 99.8 % |
    | 32, 128         | 19 s             | 134 µs, 99.5 % | 126 µs, 99.6 % | 142 µs, 99.9 % | 265 µs, 99.9 % |
    | 24, 200         | 28 s             | 152 µs, 99.7 % | 141 µs, 99.9 % | 158 µs, 99.9 % | 294 µs, 100 %  |
    | 16, 256         | 37 s             | 131 µs, 99.6 % | 140 µs, 100 %  | 173 µs, 100 %  | 299 µs, 100 %  |

(The machine was busier for the last three.) Quantized vectors without a graph were no faster than the exact search.

How it grows: entries in 400 groups within 20 larger ones (similarity 0.65 within a small group, 0.98 between two
wordings of an entry), built with ef_construct 256 in 22 s (100,000 points) to 100 s of CPU, searched in batches of 64
(CPU per batch, and the share of 830 to 1,024 wordings found):

    | points, m      | ef 64          | 128             | 256             | 512             | 1,024           |
    | 100,000, m 16  | 7.1 ms, 99.5 % | 9.9 ms, 99.9 %  | 14.3 ms, 100 %  |                 |                 |
    | 200,000, m 32  | 8.6 ms, 99.4 % | 11.3 ms, 99.5 % | 15.6 ms, 99.8 % | 25.0 ms, 100 %  |                 |
    | 400,000, m 16  | 9.5 ms, 98.3 % | 13.0 ms, 98.5 % | 17.8 ms, 98.9 % | 25.1 ms, 99.1 % | 38.6 ms, 99.6 % |
    | 400,000, m 32  | 11 ms, 98.6 %  | 13.2 ms, 98.8 % | 17.9 ms, 98.9 % | 25.7 ms, 99.5 % | 39.6 ms, 99.7 % |

(100,000 points with m 32 at ef 96 took 8.3 ms, as long as with m 16 at 128.) Few large graphs cost less than many small
ones. What a walk misses lies far from where it ended, in another group, and nothing there was similar enough for an
answer. So walks through a large graph are short, and only searches that found nothing at all are tried another way
(`qdrant_walks.py`).
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import os
from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

M = 32
EF = 96
"""Candidates that a graph search keeps."""
EF_FILTERED = 256
"""The same for a search that visits only points that match a filter."""
EF_QUICK = 64
"""The same for a large graph."""
_LARGE = 140_000
"""Points in a graph above which its walks are short, and repeated with rotated queries if they find nothing."""
EF_CONSTRUCT = 256
_FULL_SCAN = 1000
"""Kilobytes of vectors that match a filter, up to which the engine scans them all."""
_NEVER = 2**40
"""Kilobytes of vectors from which the engine would build a graph by itself: never in the process that serves.

It holds the GIL while it builds: 5 s and more for 10,000 vectors.
"""
_ALWAYS = 1
_MANY = 1000


@dataclass(frozen=True, slots=True)
class Shape:
    size: int
    distance: str
    """`Cosine`, `Euclid`, `Dot` or `Manhattan`."""
    quantization: str = ""
    """`int8` or `binary`, if the collection was created with it."""
    quantization_asked: str = ""
    """The request's message in base64, to be returned on request."""

    @property
    def is_similarity(self) -> bool:
        """Whether a higher score is a better one."""
        return self.distance in {"Cosine", "Dot"}

    @property
    def full_scan_points(self) -> int:
        return (_FULL_SCAN << 10) // (self.size * 4)

    def plain(self) -> edge.EdgeConfig:
        """A shard that is searched exactly."""
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=self.size, distance=getattr(edge.Distance, self.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NEVER),
            max_search_threads=1,
        )

    def graph(self) -> edge.EdgeConfig:
        """A shard that builds a graph when it is optimized. Walks use quantized vectors in memory; the originals, which
        decide the scores, and the payload indexes stay in the page cache.

        One search thread: the engine's default is eight, and waking them costs more than a search.
        """
        return edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(
                size=self.size, distance=getattr(edge.Distance, self.distance), memory=edge.Memory.Cold
            ),
            hnsw_config=edge.HnswIndexConfig(
                m=M,
                payload_m=M,
                ef_construct=EF_CONSTRUCT,
                full_scan_threshold=_FULL_SCAN,
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
    """Whether walks through a graph of this many points are short, and repeated if they find nothing."""
    return points > _LARGE


def cold(index: edge.PayloadIndexInfo) -> edge.KeywordIndexParams | edge.IntegerIndexParams | Any:
    """The same index, kept in the page cache: loading 100,000 points takes 0.2 s of CPU less."""
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

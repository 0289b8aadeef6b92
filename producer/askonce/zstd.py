"""zstd: in the standard library from Python 3.14 on, before that its backport."""

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError
else:
    from backports.zstd import DecompressionParameter, ZstdCompressor, ZstdDecompressor, ZstdDict, ZstdError

__all__ = ["DecompressionParameter", "ZstdCompressor", "ZstdDecompressor", "ZstdDict", "ZstdError"]

"""Reads a reply's body with a bound on its size, both received and decompressed."""

import zlib
from collections.abc import AsyncIterable
from typing import Protocol

ACCEPTED = "gzip, deflate"
"""Accepted encodings: those that can be decompressed with a bound."""
GZIP_OR_ZLIB = 47
"""zlib's `wbits` that takes both headers."""
STEP = 1_048_576


class BodyTooLarge(Exception):
    """The reply has more bytes than it may have."""


class BadEncoding(Exception):
    """The reply's encoding was not requested, or contradicts its header."""


class Decoder(Protocol):
    """The interface of `zlib.decompressobj`."""

    @property
    def unconsumed_tail(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


async def read_bounded(chunks: AsyncIterable[bytes], encoding: str, most: int) -> bytes:
    """The whole body, unpacked.

    Args:
        chunks: The body as it is sent.
        encoding: The reply's `content-encoding`, or ''.
        most: Bytes it may have, packed or not.

    Raises:
        BodyTooLarge: It has more. No more than `most` bytes and a chunk were held.
        BadEncoding: It cannot be unpacked.
    """
    decoder = _decoder(encoding)
    parts: list[bytes] = []
    size = received = 0
    async for chunk in chunks:
        received += len(chunk)
        data = chunk if decoder is None else _unpacked(decoder, chunk, most - size)
        size += len(data)
        if max(size, received) > most:
            raise BodyTooLarge(f"over {most} bytes")
        parts.append(data)
    return b"".join(parts) if len(parts) != 1 else parts[0]


def _decoder(encoding: str) -> Decoder | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return zlib.decompressobj(wbits=GZIP_OR_ZLIB)
        case other:
            raise BadEncoding(f"content-encoding: {other[:40]}")


def _unpacked(decoder: Decoder, data: bytes, most: int) -> bytes:
    """At most one byte more than `most`: enough to tell that it is too large."""
    parts: list[bytes] = []
    left = most + 1
    try:
        while data and left > 0:
            part = decoder.decompress(data, min(left, STEP))
            parts.append(part)
            left -= len(part)
            data = decoder.unconsumed_tail
    except zlib.error as error:
        raise BadEncoding("it cannot be unpacked") from error
    return b"".join(parts)

"""The plain bytes of an input: gzip and zstd are recognised by their first bytes, whatever the file is called."""

import zlib
from collections.abc import Iterator
from typing import Protocol

from askonce.zstd import ZstdDecompressor, ZstdError

BLOCK = 256 * 1024
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
WIDE = {b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
"""Byte order marks, longest first."""
OTHERS = {
    b"PK\x03\x04": "is a ZIP archive, as Excel's workbooks are: save it as CSV, or unpack it",
    b"PAR1\x15": "is Parquet: let its name end in .parquet",
}
"""The mark of Parquet with the byte that begins its first page or its footer: a column may be called PAR1."""
LONGEST_MARK = 5


def is_packed(first: bytes) -> bool:
    """By the first bytes of an input."""
    return first.startswith((GZIP, ZSTD))


class Unpacker(Protocol):
    def feed(self, block: bytes) -> Iterator[bytes]:
        """Plain blocks of a bounded size."""

    def end(self) -> Iterator[bytes]:
        """What is left. Raises ValueError if the input is cut off."""


class PlainInput:
    """Plain blocks out of blocks as they are read.

    Args:
        name: What the input is called in an error message.

    Raises ValueError from `feed` and `end` for what is damaged, cut off, or no text in UTF-8 by its first bytes.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._first = b""
        self._unpacker: Unpacker | None = None
        self._checked = b""

    def feed(self, block: bytes) -> Iterator[bytes]:
        if self._unpacker is None:
            self._first += block
            if len(self._first) < LONGEST_MARK:
                return
            block = self._first
            self._unpacker = self._choose()
        yield from self._plain(self._unpacker.feed(block))

    def end(self) -> Iterator[bytes]:
        if self._unpacker is None:
            self._unpacker = self._choose()
            yield from self._plain(self._unpacker.feed(self._first))
        yield from self._plain(self._unpacker.end())

    def _choose(self) -> Unpacker:
        if self._first.startswith(GZIP):
            return _Gzip(self._name)
        return _Zstd(self._name) if self._first.startswith(ZSTD) else _AsItIs()

    def _plain(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            if len(self._checked) < LONGEST_MARK:
                self._checked += block[:LONGEST_MARK]
                self._check_first_bytes()
            yield block

    def _check_first_bytes(self) -> None:
        first = self._checked
        for mark, reason in OTHERS.items():
            if first.startswith(mark):
                raise ValueError(f"{self._name} {reason}")
        found = next((name for mark, name in WIDE.items() if first.startswith(mark)), None)
        if found is None and len(first) >= LONGEST_MARK and (first[0] == 0) != (first[1] == 0):
            found = "UTF-16"  # without a mark: of ASCII, every other byte is 0
        if found is not None:
            raise ValueError(
                f"{self._name} is {found}, not UTF-8: convert it with `iconv -f {found} -t UTF-8`, "
                "or save it as UTF-8, and start again"
            )


class _AsItIs:
    def feed(self, block: bytes) -> Iterator[bytes]:
        if block:
            yield block

    def end(self) -> Iterator[bytes]:
        return iter(())


class _Gzip:
    """One member after the other, as `cat a.gz b.gz` makes them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        while block:
            self._begun = True
            try:
                data = self._member.decompress(block, BLOCK)
            except zlib.error as error:
                raise ValueError(f"{self._name}: damaged gzip ({error})") from error
            if data:
                yield data
            block = self._member.unconsumed_tail
            if self._member.eof:
                block = self._member.unused_data.lstrip(b"\0")
                self._member, self._begun = zlib.decompressobj(wbits=31), False

    def end(self) -> Iterator[bytes]:
        if self._begun:
            yield self._member.flush()
            if not self._member.eof:
                raise ValueError(f"{self._name}: the gzip is cut off: it ends in the middle")


class _Zstd:
    """One frame after the other."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._frame = ZstdDecompressor()
        self._begun = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        while block or not self._frame.needs_input:
            self._begun = True
            try:
                data = self._frame.decompress(block, BLOCK)
            except ZstdError as error:
                raise ValueError(f"{self._name}: damaged zstd ({error})") from error
            if data:
                yield data
            block = b""
            if self._frame.eof:
                block = self._frame.unused_data
                self._frame, self._begun = ZstdDecompressor(), False

    def end(self) -> Iterator[bytes]:
        if self._begun:
            raise ValueError(f"{self._name}: the zstd is cut off: it ends in the middle")
        return iter(())

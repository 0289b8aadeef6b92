"""Lines out of blocks of bytes, of any number and any length, in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_LINE = 8 * 1024 * 1024
"""Bytes. A question of a MiB may take six times as many, where everything in it is escaped."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of an input.

    Attributes:
        number: From 1; blank lines are counted.
        data: Its bytes. None if there are none to read.
        reason: Why there are none.
    """

    number: int
    data: bytes | None
    reason: str | None = None

    @classmethod
    def too_long(cls, number: int) -> "RawLine":
        return cls(number, None, f"longer than {MAX_LINE:,} bytes")


class Divider(Protocol):
    """Divides blocks into lines or rows."""

    def feed(self, block: bytes) -> Iterator[RawLine]: ...

    def end(self) -> Iterator[RawLine]: ...


class Splitter:
    """Lines out of blocks. Blank ones are left out. most: bytes of a line, if not the usual ones."""

    def __init__(self, most: int | None = None) -> None:
        self._most = MAX_LINE if most is None else most
        self._rest = b""
        self._number = 0
        self._too_long = False

    def feed(self, block: bytes) -> Iterator[RawLine]:
        *whole, rest = (self._rest + block).split(b"\n")
        for data in whole:
            yield from self._line(data)
        if len(rest) > self._most:
            self._too_long, rest = True, b""
        self._rest = rest

    def end(self) -> Iterator[RawLine]:
        """The last line, where no newline ends it."""
        if self._rest or self._too_long:
            yield from self._line(self._rest)

    def _line(self, data: bytes) -> Iterator[RawLine]:
        self._number += 1
        too_long, self._too_long = self._too_long or len(data) > self._most, False
        if self._number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if too_long:
            yield RawLine.too_long(self._number)
        elif data and not data.isspace():
            yield RawLine(self._number, data.rstrip(b"\r"))

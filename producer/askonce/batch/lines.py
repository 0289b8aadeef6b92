"""Lines out of a file or a pipe, of any number and any length, in bounded memory."""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Protocol

from askonce.batch.packed import BLOCK, PlainInput

MAX_LINE = 8 * 1024 * 1024
"""Bytes. A question of a MiB may take six times as many, where everything in it is escaped."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """One line of an input.

    Attributes:
        number: From 1; blank lines are counted.
        data: Its bytes. None where there are none to read.
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
    """Lines out of blocks. Blank ones are left out."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0
        self._too_long = False

    def feed(self, block: bytes) -> Iterator[RawLine]:
        *whole, rest = (self._rest + block).split(b"\n")
        for data in whole:
            yield from self._line(data)
        if len(rest) > MAX_LINE:
            self._too_long, rest = True, b""
        self._rest = rest

    def end(self) -> Iterator[RawLine]:
        """The last line, where no newline ends it."""
        if self._rest or self._too_long:
            yield from self._line(self._rest)

    def _line(self, data: bytes) -> Iterator[RawLine]:
        self._number += 1
        too_long, self._too_long = self._too_long or len(data) > MAX_LINE, False
        if self._number == 1:
            data = data.removeprefix(b"\xef\xbb\xbf")
        if too_long:
            yield RawLine.too_long(self._number)
        elif data and not data.isspace():
            yield RawLine(self._number, data.rstrip(b"\r"))


def open_input(path: str) -> int:
    """A file descriptor; `-` is stdin. Raises ValueError."""
    if path == "-":
        return 0
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def name_of(path: str) -> str:
    """What an input is called in a message."""
    return "stdin" if path == "-" else path


async def read_lines(fd: int, name: str, divider: Divider | None = None) -> AsyncIterator[list[RawLine]]:
    """The lines as they come, in lists. Closes the file at its end.

    Args:
        fd: The open input.
        name: What it is called in an error message.
        divider: What makes lines of blocks, for other forms than a line each.

    Raises:
        OSError: The input cannot be read.
        ValueError: It is damaged, or not UTF-8.
    """
    divider, plain = divider or Splitter(), PlainInput(name)
    async for block in _file(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else _pipe(fd):
        for part in plain.feed(block):
            yield list(divider.feed(part))
    for part in plain.end():
        yield list(divider.feed(part))
    yield list(divider.end())


async def _file(fd: int) -> AsyncIterator[bytes]:
    try:
        while block := os.read(fd, BLOCK):
            yield block
    finally:
        os.close(fd)


async def _pipe(fd: int) -> AsyncIterator[bytes]:
    blocks: asyncio.Queue[bytes | OSError] = asyncio.Queue(maxsize=2)
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            while True:
                block = _next_block(fd)
                asyncio.run_coroutine_threadsafe(blocks.put(block), loop).result()
                if not block or isinstance(block, OSError):
                    return
        except (RuntimeError, CancelledError):
            return  # the loop has ended
        finally:
            os.close(fd)

    # A daemon: a thread of the loop's own pool would keep the command from ending while the pipe is silent.
    threading.Thread(target=read, daemon=True).start()
    while block := await blocks.get():
        if isinstance(block, OSError):
            raise block
        yield block


def _next_block(fd: int) -> bytes | OSError:
    try:
        return os.read(fd, BLOCK)
    except OSError as error:
        return error

"""Lines out of a file or a pipe, of any number and any length, in bounded memory."""

import asyncio
import hashlib
import os
import random
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path

BLOCK = 256 * 1024
MAX_LINE = 8 * 1024 * 1024
"""Bytes. A question of a MiB may take six times as many, where everything in it is escaped."""
SAMPLE = 1000
MAX_SAMPLED = 64 * 1024
"""Longer lines are left out of the sample."""
SAMPLE_BYTES = 8 * 1024 * 1024
SAMPLE_SECONDS = 1.0
"""Most that is read of a stream before anything is asked, and how long its first lines wait for further ones."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """number: from 1, blank lines are counted. data: None of a line over MAX_LINE."""

    number: int
    data: bytes | None


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
            yield RawLine(self._number, None)
        elif data and not data.isspace():
            yield RawLine(self._number, data.rstrip(b"\r"))


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file holds. sample: lines from all over it."""

    digest: str
    lines: int
    sample: list[bytes]


def survey(path: str) -> Survey:
    """Reads a file once, before anything is asked."""
    digest, splitter, reservoir = hashlib.sha256(), Splitter(), Reservoir()
    with Path(path).open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            for line in splitter.feed(block):
                reservoir.add(line)
    for line in splitter.end():
        reservoir.add(line)
    return Survey(digest.hexdigest(), reservoir.seen, reservoir.sample)


class Reservoir:
    """SAMPLE of any number of lines, each as likely as any other; the same ones of the same file."""

    def __init__(self) -> None:
        self.seen = 0
        self.sample: list[bytes] = []
        self._random = random.Random(0)

    def add(self, line: RawLine) -> None:
        self.seen += 1
        if line.data is None or len(line.data) > MAX_SAMPLED:
            return
        if len(self.sample) < SAMPLE:
            self.sample.append(line.data)
        elif (place := int(self._random.random() * self.seen)) < SAMPLE:
            self.sample[place] = line.data


async def read_lines(fd: int) -> AsyncIterator[list[RawLine]]:
    """As they come, in lists. Closes the file at its end. Raises OSError."""
    splitter = Splitter()
    async for block in _file(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else _pipe(fd):
        yield list(splitter.feed(block))
    yield list(splitter.end())


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

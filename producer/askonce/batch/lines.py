"""Reads lines from a file or a pipe as they arrive, without blocking the loop."""

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterable, AsyncIterator
from concurrent.futures import CancelledError

from askonce.tables.lines import Divider, RawLine, Splitter
from askonce.tables.packed import BLOCK, PlainInput


def open_input(path: str) -> int:
    """A file descriptor; `-` is stdin. Raises ValueError."""
    if path == "-":
        return 0
    try:
        return os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def name_of(path: str) -> str:
    """The name of an input in messages."""
    return "stdin" if path == "-" else path


async def read_lines(fd: int, name: str, divider: Divider | None = None) -> AsyncIterator[list[RawLine]]:
    """Yields lists of lines as they arrive. Closes the file at its end.

    Args:
        fd: The open input.
        name: Its name in error messages.
        divider: Splits blocks into lines, for formats other than one record per line.

    Raises:
        OSError: The input cannot be read.
        ValueError: It is damaged, or not UTF-8.
    """
    blocks = _file(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else _pipe(fd)
    async for lines in divided(blocks, name, divider):
        yield lines


async def divided(
    blocks: AsyncIterable[bytes], name: str, divider: Divider | None = None
) -> AsyncIterator[list[RawLine]]:
    """The lines of blocks, plain or compressed. Raises ValueError if they are damaged or not UTF-8."""
    divider, plain = divider or Splitter(), PlainInput(name)
    async for block in blocks:
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

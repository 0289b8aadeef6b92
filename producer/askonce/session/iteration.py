"""Lists out of streams."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

from askonce.tasks import stop

T = TypeVar("T")

LINGER = 0.005
"""Seconds for which a partial list waits for more from an asynchronous source."""


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size`, the last one shorter. If the source raises, the items before that are still yielded.

    (`itertools.batched` needs Python 3.12, and drops them.)
    """
    iterator = iter(items)
    while True:
        batch: list[T] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch


async def batches(source: Iterable[T] | AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """Lists of up to `size`; shorter ones where an asynchronous source has no more for now."""
    if isinstance(source, AsyncIterable):
        reading = _Reading(source, size)
        try:
            while batch := await reading.next():
                yield batch
        finally:
            await reading.aclose()
    else:
        for batch in batched(source, size):
            yield batch
            await asyncio.sleep(0)


class _Reading(Generic[T]):
    """Reads ahead by one list."""

    def __init__(self, source: AsyncIterable[T], size: int) -> None:
        self._size = size
        self._items: list[T] = []
        self._moved = asyncio.Event()
        self._room = asyncio.Event()
        self._task = asyncio.create_task(self._read(source))

    async def next(self) -> list[T]:
        """Empty at the end. Raises what the source raises, once all before it is handed out."""
        if not self._task.done():
            await self._moved.wait()
        if len(self._items) < self._size and not self._task.done():
            await asyncio.sleep(LINGER)
        batch = self._items
        self._items = []
        self._moved.clear()
        self._room.set()
        if not batch:
            await self._task
        return batch

    async def aclose(self) -> None:
        await stop(self._task)

    async def _read(self, source: AsyncIterable[T]) -> None:
        try:
            async for item in source:
                self._items.append(item)
                self._moved.set()
                if len(self._items) >= self._size:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._moved.set()

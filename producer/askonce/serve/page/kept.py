"""What one process of the server knows of the installation for a few seconds, so that not each viewer reads it anew.

A large installation has some 100,000 counters. To read them takes Python a second, for which nobody who asks a question
has to wait: so it is done in a thread, over a connection of its own.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
TIMES = 10
"""What takes long to read is kept for so many times as long: reading it takes a tenth of a core at most."""


class Kept(Generic[T]):
    """read: makes a connection of its own, and closes it. seconds: how long that is kept, at least."""

    def __init__(self, read: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._value: T | None = None
        self._until = 0.0
        self._reading = asyncio.Lock()

    async def value(self) -> T:
        """Raises what reading raises."""
        async with self._reading:
            value = self._value
            if value is None or time.monotonic() >= self._until:
                began = time.monotonic()
                value = self._value = await asyncio.to_thread(asyncio.run, self._read())
                took = time.monotonic() - began
                self._until = began + took + max(self._seconds, TIMES * took)
            return value

    def forget(self) -> None:
        """Something has changed."""
        self._until = 0.0

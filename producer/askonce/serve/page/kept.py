"""A server process's short-lived copy of the installation's figures, so that not every viewer reads them again.

A large installation has some 100,000 counters. Reading them takes Python a second, which must not delay questions, so
it runs in a thread with its own connection.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
TIMES = 10
"""Values are kept for this multiple of their read time, so that reading uses at most a tenth of a core."""


class Kept(Generic[T]):
    """read: opens its own connection and closes it. seconds: minimum time for which the value is kept."""

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
        """Drops the value, because something has changed."""
        self._until = 0.0

"""One object per event loop, created at its first use."""

import asyncio
import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """A client made at import time may be used by one loop after another, and in the children of a fork."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[asyncio.AbstractEventLoop, T] = {}
        self._pid = os.getpid()
        self._inherited: list[object] = []

    def get(self) -> T:
        if self._pid != os.getpid():
            self._inherited.append(self._made)  # kept: closing the parent's sockets would disturb the parent
            self._made, self._pid = {}, os.getpid()
        loop = asyncio.get_running_loop()
        found = self._made.get(loop)
        if found is None:
            self._made = {other: made for other, made in self._made.items() if not other.is_closed()}
            found = self._made[loop] = self._make()
        return found

    def pop(self) -> T | None:
        """Removes the running loop's object, if any; the next `get` creates another."""
        if self._pid != os.getpid():
            return None
        return self._made.pop(asyncio.get_running_loop(), None)

"""The counters, as one process of the server knows them: read in a thread of their own, and not for each viewer anew.

A large installation has some 100,000 of them. To read them takes Python a second, for which nobody who asks a question
has to wait.
"""

import asyncio
import time
from collections.abc import Callable

from askonce.operator.admin import Admin
from askonce.operator.history import History

FRESH = 10.0
"""Seconds."""


class KeptFigures:
    """make_admin: makes a view of the installation, with a connection of its own."""

    def __init__(self, make_admin: Callable[[], Admin]) -> None:
        self._make_admin = make_admin
        self._known: History | None = None
        self._read_at = -FRESH
        self._reading = asyncio.Lock()

    async def history(self) -> History:
        """At most ten seconds old. Raises StoreUnreachable."""
        async with self._reading:
            if self._known is None or time.monotonic() - self._read_at >= FRESH:
                self._known = await asyncio.to_thread(asyncio.run, self._read())
                self._read_at = time.monotonic()
            return self._known

    async def _read(self) -> History:
        async with self._make_admin() as admin:
            return await admin.history()

"""Shortens the lifetime of received results, many at a time, so that they do not pile up in Redis."""

import asyncio

from askonce.contract.keys import Keys
from askonce.errors import AskOnceError
from askonce.store.connection import Store
from askonce.store.scripts import Script
from askonce.tasks import stop

FORGET = Script("askonce", "forget")

FORGOTTEN_MS = 60_000
SOON = 1.0
"""Seconds for which results accumulate for one write."""
PART = 500
"""Most results in one script."""


class Forgetting:
    """result_ttl: seconds. No lifetime is ever extended."""

    def __init__(self, store: Store, keys: Keys, result_ttl: float) -> None:
        self._store = store
        self._keys = keys
        self._ms = min(FORGOTTEN_MS, int(result_ttl * 1000))
        self._jobs: dict[bool, list[str]] = {True: [], False: []}
        self._writer: asyncio.Task[None] | None = None

    def add(self, job: str, *, own: bool) -> None:
        """own: this client made the id, so nobody submits it again."""
        self._jobs[own].append(job)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            while any(self._jobs.values()):
                await asyncio.sleep(SOON)
                await self._write()
        finally:
            self._writer = None

    async def _write(self) -> None:
        for own, waiting in self._jobs.items():
            while waiting:
                jobs, waiting[:PART] = waiting[:PART], []
                try:
                    await self._store.script(FORGET, [], [f"{self._keys.prefix}:result:", self._ms, int(own), *jobs])
                except AskOnceError:
                    return  # they keep their full lifetime

    async def aclose(self) -> None:
        if self._writer is not None:
            await stop(self._writer)
        await self._write()

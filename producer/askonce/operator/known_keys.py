"""A short-lived copy of the front-door keys, so that busy callers do not read Redis each time."""

import asyncio
import time
from collections.abc import Mapping

from askonce.contract.access_key import AccessKey
from askonce.operator.access_keys import read_keys
from askonce.store.connection import Store

FRESH = 2.0
"""Seconds for which the keys are cached."""


class KnownKeys:
    """where: their Redis key. All methods raise StoreUnreachable."""

    def __init__(self, store: Store, where: str) -> None:
        self._store, self._where = store, where
        self._by_name: Mapping[str, AccessKey | None] = {}
        self._by_digest: Mapping[str, AccessKey] = {}
        self._read_at = -FRESH
        self._reading = asyncio.Lock()

    async def by_name(self) -> Mapping[str, AccessKey | None]:
        """None: one that this release cannot read."""
        await self._refresh()
        return self._by_name

    async def by_digest(self) -> Mapping[str, AccessKey]:
        await self._refresh()
        return self._by_digest

    async def _refresh(self) -> None:
        if time.monotonic() - self._read_at < FRESH:
            return
        async with self._reading:
            if time.monotonic() - self._read_at >= FRESH:
                self._by_name = await read_keys(self._store, self._where)
                self._by_digest = {key.digest: key for key in self._by_name.values() if key is not None}
                self._read_at = time.monotonic()

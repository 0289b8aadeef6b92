"""Upkeep's view of the entries' vectors, over all collections of the current embedding model.

Every worker records from time to time which collections it uses. Only a recorded collection is ever dropped, and only
once no worker has used it for a while. So other prefixes keep theirs, and so do workers of the previous release during
a rollout.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.upkeep.qdrant import Page, QdrantUpkeep

log = structlog.get_logger()

UNUSED_AFTER = 300
"""Seconds since a worker last recorded it."""


class Vectors:
    def __init__(self, redis: Redis, keys: Keys, qdrant: QdrantUpkeep) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._qdrant = qdrant

    async def note(self, used: Sequence[str]) -> None:
        """Records that these collections are in use."""
        if used:
            now = (await self._redis.time())[0]
            await self._redis.hset(self._keys.collections, mapping=dict.fromkeys(used, now))

    async def delete(self, fingerprints: Sequence[str], *, before: int) -> None:
        """Deletes those created before this Unix second. Those that Qdrant refuses to delete are later found as
        orphans."""
        if not fingerprints:
            return
        try:
            for collection in await self.collections():
                await self._qdrant.delete(collection, fingerprints, before=before)
        except SemanticCacheDown as error:
            log.warning("upkeep.vectors_left", vectors=len(fingerprints), error=str(error))

    async def collections(self) -> list[str]:
        """The current embedding model's collections, of any dimension."""
        return [name for name in await self._qdrant.collections() if self._qdrant.is_of_model(name)]

    async def current(self) -> str | None:
        """The collection used for lookups: among several dimensions, the last one used."""
        used = await self._used()
        return max(await self.collections(), key=lambda name: used.get(name, 0), default=None)

    async def absent(self, collection: str | None, expiries: Mapping[str, int]) -> list[str]:
        """collection: None if there is none yet."""
        if collection is None or not expiries:
            return list(expiries)
        return await self._qdrant.absent(collection, expiries)

    async def page(self, collection: str, start: str | None, size: int) -> Page:
        return await self._qdrant.page(collection, start, size)

    async def drop_others(self, current: str) -> list[str]:
        """Drops the collections of earlier embedding models, once no worker uses them."""
        now = int((await self._redis.time())[0])
        unused = [name for name, last in (await self._used()).items() if last <= now - UNUSED_AFTER and name != current]
        for name in unused:
            await self._qdrant.drop(name)
            await self._redis.hdel(self._keys.collections, name)
        return unused

    async def _used(self) -> dict[str, int]:
        noted = await self._redis.hgetall(self._keys.collections)
        return {name.decode(): int(last) for name, last in noted.items()}

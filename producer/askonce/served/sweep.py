"""Deletes what is no longer needed: expired files, and what killed processes left behind."""

from itertools import groupby

from askonce.contract.served_keys import ServedKeys
from askonce.served.batches import LONGEST, open_batches
from askonce.served.blobs import Blobs
from askonce.served.files import delete_bytes
from askonce.served.part_ledger import PARTS
from askonce.store.connection import Store

EXPIRED_EVERY, LEFT_EVERY = 60, 3600
"""Seconds between sweeps, each by whichever server comes first."""
SWEPT = 500
"""Maximum files per sweep."""
OLD = LONGEST + 86_400
"""Seconds after which no batch needs its parts. (Parts of an unknown batch may belong to another Redis.)"""
HALF_WRITTEN = 86_400
"""Seconds without a write after which a file counts as abandoned."""


class Sweep:
    """All methods raise StoreUnreachable and OSError."""

    def __init__(self, store: Store, keys: ServedKeys, blobs: Blobs) -> None:
        self._store, self._keys, self._blobs = store, keys, blobs

    async def expired(self) -> None:
        """Delete the bytes of expired files, unless an open batch reads them."""
        if not await self._is_first("expired", EXPIRED_EVERY):
            return
        [(seconds, _)] = await self._store.pipeline([("TIME",)])
        [members] = await self._store.pipeline(
            [("ZRANGEBYSCORE", self._keys.expiries, "-inf", int(seconds), "LIMIT", 0, SWEPT)]
        )
        places = sorted(member.decode().split("/") for member in members)
        for namespace, group in groupby(places, key=lambda place: place[0]):
            read = {each.input_file_id for each in await open_batches(self._store, self._keys, namespace)}
            for _, name in group:
                if name not in read:
                    await self._forget(namespace, name)

    async def _forget(self, namespace: str, name: str) -> None:
        await delete_bytes(self._blobs, name)
        await self._store.pipeline(
            [("ZREM", self._keys.files(namespace), name), ("ZREM", self._keys.expiries, f"{namespace}/{name}")]
        )

    async def left_behind(self) -> None:
        """Delete unfinished writes, and parts of batches that ended without writing results."""
        if not await self._is_first("left", LEFT_EVERY):
            return
        await self._blobs.tidy(HALF_WRITTEN)
        old = await self._blobs.names(PARTS, older=OLD)
        if not old:
            return
        [namespaces] = await self._store.pipeline([("ZRANGE", self._keys.due, 0, -1)])
        names = await self._store.pipeline([("ZRANGE", self._keys.open(each.decode()), 0, -1) for each in namespaces])
        still = {name.decode() for part in names for name in part}
        await self._blobs.delete([name for name in old if name.split("/")[1] not in still])

    async def _is_first(self, what: str, seconds: int) -> bool:
        [first] = await self._store.pipeline([("SET", self._keys.sweep(what), "1", "NX", "EX", seconds)])
        return bool(first)

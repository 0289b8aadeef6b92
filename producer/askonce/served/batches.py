"""A namespace's batches: creating, reading, cancelling. `running.py` runs them."""

import re
from collections.abc import Sequence
from typing import Any

from askonce.contract.served_keys import ServedKeys
from askonce.served.batch_record import BatchRecord, first_fields, read_batch
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script

CREATE, CANCEL = (Script("askonce.served", name) for name in ("create_served", "cancel_served"))
ID = re.compile(r"batch_[0-9a-f]{24}")
TOGETHER = 100
LONGEST = 14 * 86_400
"""Maximum completion window in seconds, because questions have deadlines, which workers' settings limit."""


class TooMany(Exception):
    """A namespace has reached its limit of open batches or files."""


class Batches:
    """kept: seconds for which an ended batch is kept. most: maximum open batches per namespace.

    All methods raise StoreUnreachable.
    """

    def __init__(self, store: Store, keys: ServedKeys, *, kept: int, most: int) -> None:
        self.most = most
        self._store, self._keys, self._kept = store, keys, kept

    async def create(self, record: BatchRecord, *, seconds: int) -> BatchRecord | None:
        """The new batch, with its times; None if its file is gone. seconds: its window. Raises TooMany."""
        keys, space = self._keys, record.namespace
        fields = [part for pair in first_fields(record).items() for part in pair]
        call = ScriptCall(
            CREATE,
            [
                keys.file(space, record.input_file_id),
                keys.batch(space, record.id),
                keys.batches(space),
                keys.open(space),
                keys.due,
            ],
            [record.id, space, seconds, self._kept, LONGEST, self.most, *fields],
        )
        made = await self._store.script(call.script, call.keys, call.args)
        if made < 0:
            raise TooMany
        if not made:
            return None
        return await self.get(space, record.id)

    async def get(self, namespace: str, name: str) -> BatchRecord | None:
        if not ID.fullmatch(name):
            return None
        [reply] = await self._store.pipeline([("HGETALL", self._keys.batch(namespace, name))])
        return read_batch(reply)

    async def cancel(self, namespace: str, name: str) -> str:
        """Returns the batch's status afterwards; '' if there is no such batch."""
        if not ID.fullmatch(name):
            return ""
        status: bytes = await self._store.script(CANCEL, [self._keys.batch(namespace, name)], [])
        return status.decode()

    async def page(self, namespace: str, *, after: str | None, limit: int) -> tuple[list[BatchRecord], bool]:
        """A page of batches, newest first, starting after `after`; and whether there are more."""
        index, begin, found = self._keys.batches(namespace), 0, list[BatchRecord]()
        if after is not None:
            [at] = await self._store.pipeline([("ZREVRANK", index, after)])
            begin = 0 if at is None else int(at) + 1
        while len(found) <= limit:
            [names] = await self._store.pipeline([("ZREVRANGE", index, begin, begin + TOGETHER - 1)])
            if not names:
                break
            found += await self._known(namespace, names)
            begin += len(names)
        return found[:limit], len(found) > limit

    async def _known(self, namespace: str, names: Sequence[Any]) -> list[BatchRecord]:
        keys = [self._keys.batch(namespace, name.decode()) for name in names]
        replies = await self._store.pipeline([("HGETALL", key) for key in keys])
        return [record for record in map(read_batch, replies) if record is not None]


async def open_batches(store: Store, keys: ServedKeys, namespace: str) -> list[BatchRecord]:
    """The batches of a namespace that have not ended."""
    [names] = await store.pipeline([("ZRANGE", keys.open(namespace), 0, -1)])
    if not names:
        return []
    replies = await store.pipeline([("HGETALL", keys.batch(namespace, name.decode())) for name in names])
    return [record for record in map(read_batch, replies) if record is not None]

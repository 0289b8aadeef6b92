"""Files of a namespace: what is in Redis about them, and their bytes."""

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

from askonce.contract.served_keys import ServedKeys
from askonce.served.batches import TooMany
from askonce.served.blobs import Blobs
from askonce.served.file_record import FileRecord, blob_of, read_file, write_file
from askonce.store.connection import Store

ID = re.compile(r"file-[0-9a-f]{24}[oe]?")
TOGETHER = 500
"""Records in one round trip."""
UNWRITTEN = 86_400
"""Seconds after which a file that is still not written counts as given up."""


class TooLarge(ValueError):
    """A file has more bytes than it may."""


class Files:
    """most: bytes of a file. count: most files of a namespace, for uploads. lifetime: seconds, where nobody says how
    long a file lives. All raise StoreUnreachable; what touches bytes, OSError too."""

    def __init__(self, store: Store, keys: ServedKeys, blobs: Blobs, *, most: int, count: int, lifetime: int) -> None:
        self.most, self.count, self.lifetime = most, count, lifetime
        self._store, self._keys, self._blobs = store, keys, blobs

    async def upload(
        self, namespace: str, filename: str, purpose: str, data: AsyncIterator[bytes], *, lifetime: int | None
    ) -> FileRecord:
        """Raises TooLarge, TooMany."""
        name = f"file-{secrets.token_hex(12)}"
        if await self._begin(namespace, name) > self.count:
            await self._undo(namespace, name)
            raise TooMany
        try:
            return await self._write(namespace, filename, purpose, _Counted(data, self.most), name, lifetime)
        except BaseException:
            await self._undo(namespace, name)
            raise

    async def put(
        self, namespace: str, name: str, filename: str, purpose: str, data: AsyncIterator[bytes], lifetime: int | None
    ) -> None:
        """name: its id. Where there is one already, it is the same, and written anew."""
        await self._begin(namespace, name)
        await self._write(namespace, filename, purpose, _Counted(data, None), name, lifetime)

    async def _begin(self, namespace: str, name: str) -> int:
        """How many files the namespace has with this one. Before it has any bytes, it is known when they go: none stay
        for ever where this process is killed."""
        now_ms = await self._now_ms()
        _, _, count = await self._store.pipeline(
            [
                ("ZADD", self._keys.expiries, now_ms // 1000 + UNWRITTEN, f"{namespace}/{name}"),
                ("ZADD", self._keys.files(namespace), now_ms, name),
                ("ZCARD", self._keys.files(namespace)),
            ]
        )
        return int(count)

    async def _undo(self, namespace: str, name: str) -> None:
        await self._store.pipeline(
            [("ZREM", self._keys.files(namespace), name), ("ZREM", self._keys.expiries, f"{namespace}/{name}")]
        )

    async def _write(
        self, namespace: str, filename: str, purpose: str, data: "_Counted", name: str, lifetime: int | None
    ) -> FileRecord:
        now_ms = await self._now_ms()
        created = now_ms // 1000
        until = created + (lifetime or self.lifetime)
        await self._blobs.write(blob_of(name), data.blocks())
        record = FileRecord(name, namespace, filename, purpose, data.size, created, until)
        index = self._keys.files(namespace)
        await self._store.pipeline(
            [
                ("SET", self._keys.file(namespace, name), write_file(record), "EX", until - created),
                ("ZADD", self._keys.expiries, until, f"{namespace}/{name}"),
                ("ZADD", index, now_ms, name),
                ("EXPIRE", index, until - created, "NX"),
                ("EXPIRE", index, until - created, "GT"),
            ]
        )
        return record

    async def _now_ms(self) -> int:
        """Of Redis's clock: files of one second are listed in the order in which they came."""
        [(seconds, micros)] = await self._store.pipeline([("TIME",)])
        return int(seconds) * 1000 + int(micros) // 1000

    async def get(self, namespace: str, name: str) -> FileRecord | None:
        if not ID.fullmatch(name):
            return None
        [raw] = await self._store.pipeline([("GET", self._keys.file(namespace, name))])
        return read_file(raw)

    def content(self, record: FileRecord) -> AsyncIterator[bytes]:
        """Raises FileNotFoundError, OSError."""
        return self._blobs.read(record.blob)

    async def delete(self, record: FileRecord) -> None:
        """First nobody finds it any more, then its bytes go; a sweep takes those that a killed process leaves."""
        namespace, name = record.namespace, record.id
        await self._store.pipeline(
            [
                ("DEL", self._keys.file(namespace, name)),
                ("ZREM", self._keys.files(namespace), name),
                ("ZADD", self._keys.expiries, 0, f"{namespace}/{name}"),
            ]
        )
        await self._blobs.delete([record.blob])
        await self._undo(namespace, name)

    async def page(
        self, namespace: str, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
    ) -> tuple[list[FileRecord], bool]:
        """Those that come after a file, and whether there are more."""
        index, found = self._keys.files(namespace), list[FileRecord]()
        rank, span = ("ZREVRANK", "ZREVRANGE") if newest_first else ("ZRANK", "ZRANGE")
        begin = 0
        if after is not None:
            [at] = await self._store.pipeline([(rank, index, after)])
            begin = 0 if at is None else int(at) + 1
        while len(found) <= limit:
            [names] = await self._store.pipeline([(span, index, begin, begin + TOGETHER - 1)])
            if not names:
                break
            found += [each for each in await self._known(namespace, names) if purpose in (None, each.purpose)]
            begin += len(names)
        return found[:limit], len(found) > limit

    async def _known(self, namespace: str, names: Sequence[Any]) -> list[FileRecord]:
        keys = [self._keys.file(namespace, name.decode()) for name in names]
        [raws] = await self._store.pipeline([("MGET", *keys)])
        return [record for record in map(read_file, raws) if record is not None]


class _Counted:
    """Blocks as they go by, and how many bytes they were."""

    def __init__(self, data: AsyncIterator[bytes], most: int | None) -> None:
        self.size = 0
        self._data, self._most = data, most

    async def blocks(self) -> AsyncIterator[bytes]:
        async for block in self._data:
            self.size += len(block)
            if self._most is not None and self.size > self._most:
                raise TooLarge(f"the file has more than {self._most:,} bytes")
            yield block

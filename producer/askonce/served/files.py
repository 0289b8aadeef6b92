"""The files of a namespace: their records in Redis and their bytes."""

import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from askonce.contract.served_keys import ServedKeys
from askonce.served.batches import TooMany
from askonce.served.blobs import Blobs
from askonce.served.file_record import FileRecord, blob_of, read_file, versions_of, write_file
from askonce.store.connection import Store
from askonce.store.scripts import Script

PUBLISH, FORGET = (Script("askonce.served", name) for name in ("publish_served", "forget_served"))
ID = re.compile(r"file-[0-9a-f]{24}[oe]?")
TOGETHER = 500
"""Records per round trip."""
UNWRITTEN = 86_400
"""Seconds after which a file that is still being written counts as abandoned."""


class TooLarge(ValueError):
    """A file exceeds the maximum size."""


class InUse(Exception):
    """An open batch reads the file. The message is the batch's id."""


class Files:
    """most: maximum bytes of a file. count: maximum files of a namespace, for uploads. lifetime: default, in seconds.

    All methods raise StoreUnreachable, and those that access bytes also OSError.
    """

    def __init__(self, store: Store, keys: ServedKeys, blobs: Blobs, *, most: int, count: int, lifetime: int) -> None:
        self.most, self.count, self.lifetime = most, count, lifetime
        self._store, self._keys, self._blobs = store, keys, blobs

    async def check_room(self, namespace: str) -> None:
        """Check the limit before an upload is read. Raises TooMany."""
        [count] = await self._store.pipeline([("ZCARD", self._keys.files(namespace))])
        if count >= self.count:
            raise TooMany

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
        except BaseException:  # its bytes may have been written nevertheless: a sweep deletes them
            until = await self._now_ms() // 1000 + UNWRITTEN
            await self._store.pipeline(
                [
                    ("ZREM", self._keys.files(namespace), name),
                    ("ZADD", self._keys.expiries, until, f"{namespace}/{name}"),
                ]
            )
            raise

    async def put(
        self,
        namespace: str,
        name: str,
        filename: str,
        purpose: str,
        data: AsyncIterator[bytes],
        lifetime: int | None,
        *,
        batch: str,
        fence: int,
    ) -> bool:
        """Write the results of a batch. name: the file's id. An existing file has the same content and is replaced.

        Returns False, and leaves nothing, if another server runs the batch now: it has another fence.
        """
        now_ms = await self._now_ms()
        until = now_ms // 1000 + UNWRITTEN
        await self._store.pipeline([("ZADD", self._keys.expiries, "GT", until, f"{namespace}/{name}")])
        record = await self._written(namespace, filename, purpose, _Counted(data, None), name, lifetime, fence)
        published = await self._publish(record, now_ms, [self._keys.batch(namespace, batch)])
        older = [each for each in await self._blobs.names(versions_of(name)) if each < record.blob]
        await self._blobs.delete(older if published else [record.blob])
        return published

    async def _begin(self, namespace: str, name: str) -> int:
        """Returns how many files the namespace has, including this one. Its expiry is recorded before any bytes are
        written, so that none stay for ever if this process is killed."""
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
        record = await self._written(namespace, filename, purpose, data, name, lifetime)
        if not await self._publish(record, now_ms, []):
            await self._blobs.delete([record.blob])
            raise OSError(f"writing {record.blob} took over {UNWRITTEN} s")
        return record

    async def _publish(self, record: FileRecord, made_ms: int, batch: Sequence[str]) -> bool:
        """batch: the key of the batch whose results it has, if any."""
        keys, namespace, name = self._keys, record.namespace, record.id
        life = record.expires_at - record.created_at, record.expires_at
        published = await self._store.script(
            PUBLISH,
            [keys.file(namespace, name), keys.files(namespace), keys.expiries, *batch],
            [write_file(record), *life, name, f"{namespace}/{name}", made_ms, record.fence],
        )
        return bool(published)

    async def _written(
        self,
        namespace: str,
        filename: str,
        purpose: str,
        data: "_Counted",
        name: str,
        lifetime: int | None,
        fence: int = 0,
    ) -> FileRecord:
        """Write the file's bytes, without publishing its record."""
        created = await self._now_ms() // 1000
        record = FileRecord(
            name, namespace, filename, purpose, 0, created, created + (lifetime or self.lifetime), fence
        )
        await self._blobs.write(record.blob, data.blocks())
        return replace(record, size=data.size)

    async def _now_ms(self) -> int:
        """By Redis's clock. In milliseconds, so that files of the same second are listed in order of upload."""
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
        """Delete the record first, then the bytes; a sweep deletes those that a killed process leaves.

        Raises InUse.
        """
        namespace, name, keys = record.namespace, record.id, self._keys
        reader: bytes = await self._store.script(
            FORGET,
            [keys.file(namespace, name), keys.files(namespace), keys.expiries, keys.open(namespace)],
            [name, f"{namespace}/{name}", keys.batch(namespace, "")],
        )
        if reader:
            raise InUse(reader.decode())
        await delete_bytes(self._blobs, name)
        await self._undo(namespace, name)

    async def page(
        self, namespace: str, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
    ) -> tuple[list[FileRecord], bool]:
        """A page of files, starting after `after`, and whether there are more."""
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


async def delete_bytes(blobs: Blobs, name: str) -> None:
    """Delete the bytes of an upload, or of all versions of a result file. Raises OSError."""
    await blobs.delete([blob_of(name), *await blobs.names(versions_of(name))])


class _Counted:
    """Passes blocks on and counts their bytes."""

    def __init__(self, data: AsyncIterator[bytes], most: int | None) -> None:
        self.size = 0
        self._data, self._most = data, most

    async def blocks(self) -> AsyncIterator[bytes]:
        async for block in self._data:
            self.size += len(block)
            if self._most is not None and self.size > self._most:
                raise TooLarge(f"the file has more than {self._most:,} bytes")
            yield block

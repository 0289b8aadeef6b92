"""The finished lines of a batch: parts of its results, stored with the files. Each part identifies its lines.

So another server can continue after the last part written, without local state and in any order of lines. Two servers
that write at the same time, for example after one was paused, do no harm: each line gets into the result once.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from askonce.batch.ledger import is_failed
from askonce.batch.lines import divided
from askonce.batch.output_format import REQUEST
from askonce.served.blobs import Blobs
from askonce.served.lease import Counts, Lease
from askonce.tables.lines import Splitter

UNSAVED = 2000
UNSAVED_BYTES = 16 * 1024 * 1024
"""Limits of what is held unwritten: lines of one kind, and bytes in all."""
KINDS = ("done", "failed")
PARTS = "parts"


def folder_of(batch: str) -> str:
    return f"{PARTS}/{batch}"


class PartLedger:
    """broken: whether the last part could not be written. lines_of_input: includes blank ones."""

    def __init__(self, blobs: Blobs, lease: Lease, lines_of_input: int) -> None:
        self.broken, self.lines_of_input = False, lines_of_input
        self._blobs, self._lease, self._batch = blobs, lease, lease.record.id
        self._done = Marks(lines_of_input)
        self._unsaved: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
        self._bytes = 0
        self._number = 0

    @property
    def is_full(self) -> bool:
        return self._bytes >= UNSAVED_BYTES or any(len(lines) >= UNSAVED for lines in self._unsaved.values())

    @property
    def is_written(self) -> bool:
        """Whether everything added has been written to a part."""
        return not any(self._unsaved.values())

    def is_done(self, line: int) -> bool:
        return line in self._done

    def job_id(self, line: int) -> str:
        """The job id of a line: the same one on every server."""
        return f"{self._batch}-{line}"

    async def load(self) -> None:
        """Find the lines that are already done. Raises OSError."""
        counts = dict.fromkeys(KINDS, 0)
        for kind in KINDS:
            async for _ in self.lines(kind, self._done):
                counts[kind] += 1
        self._lease.counts = Counts(counts["done"], counts["failed"])

    async def lines(self, kind: str, seen: "Marks") -> AsyncIterator[bytes]:
        """The records of one kind in all parts, without those in `seen`, to which they are added. Raises OSError."""
        own = f'{{"id":"{REQUEST}{self._batch}-'.encode()
        for name in await self._blobs.names(folder_of(self._batch)):
            if name.startswith(f"{folder_of(self._batch)}/{kind}-"):
                async for block in divided(
                    self._blobs.read(name), name, Splitter(sys.maxsize)
                ):  # an answer may be long
                    for raw in block:
                        line = raw.data or b""
                        if seen.add(_number_in(line, own)):
                            yield line + b"\n"

    def add(self, record: dict[str, Any], *, asked: str | None) -> None:  # noqa: ARG002 - for ledgers that count money
        kind = "failed" if is_failed(record) else "done"
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        self._unsaved[kind].append(line)
        self._bytes += len(line)
        self._done.add(record["askonce"]["line"])
        self._count(kind)

    async def keep(self) -> None:
        """Write a part. Raises OSError, LeaseLost, StoreUnreachable; the results then stay in Redis and the lines
        here."""
        if self.is_written:
            return
        unsaved, self._unsaved = self._unsaved, {kind: [] for kind in KINDS}
        size, self._bytes = self._bytes, 0
        self.broken = True
        try:
            await self._write(unsaved)
            await self._lease.confirm()
        except BaseException:  # including cancellation
            self._unsaved = {kind: lines + self._unsaved[kind] for kind, lines in unsaved.items()}
            self._bytes += size
            raise
        self.broken = False

    async def _write(self, unsaved: dict[str, list[bytes]]) -> None:
        for kind, lines in unsaved.items():
            if lines:
                name = f"{folder_of(self._batch)}/{kind}-{self._lease.fence:06}-{self._number:06}.jsonl"
                self._number += 1
                await self._blobs.write(name, b"".join(lines))

    async def complete(self) -> None:
        """Like `keep`."""
        await self.keep()

    def undone(self) -> Iterator[int]:
        """The lines that are not done, including blank ones."""
        return (line for line in range(1, self.lines_of_input + 1) if line not in self._done)

    def _count(self, kind: str) -> None:
        if kind == "done":
            self._lease.counts.completed += 1
        else:
            self._lease.counts.failed += 1


class Marks:
    """A set of line numbers, one bit each. most: the highest possible number."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._bits = bytearray(most // 8 + 1)

    def add(self, line: int) -> bool:
        """Returns whether it is new and valid."""
        if not 0 < line <= self.most or line in self:
            return False
        self._bits[line // 8] |= 1 << line % 8
        return True

    def __contains__(self, line: int) -> bool:
        return bool(self._bits[line // 8] >> line % 8 & 1)


def _number_in(line: bytes, own: bytes) -> int:
    """The input line of a record, from its job id; 0 if it is not a record of this batch."""
    digits = line[len(own) : len(own) + 20].partition(b'"')[0].partition(b".")[0]
    return int(digits) if line.startswith(own) and digits.isdigit() else 0

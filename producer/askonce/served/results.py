"""Ends a batch: its parts become the output file and the error file."""

from collections.abc import AsyncIterator
from typing import Any

import orjson

from askonce.batch.lines import divided
from askonce.batch.output_format import REQUEST
from askonce.json_values import loads
from askonce.served.blobs import Blobs
from askonce.served.file_record import blob_of
from askonce.served.files import Files
from askonce.served.lease import Lease, LeaseLost
from askonce.served.part_ledger import Marks, PartLedger, folder_of
from askonce.served.unasked import ERRORS, unasked

PURPOSE = "batch_output"


class Results:
    """Writes the two files of a batch. Repeating it, as after a kill, writes the same files."""

    def __init__(self, blobs: Blobs, files: Files, lease: Lease, ledger: PartLedger) -> None:
        self._blobs, self._files, self._lease, self._ledger = blobs, files, lease, ledger
        self._left = 0

    async def write(self, status: str) -> None:
        """Write the files and end the batch with this status. Raises OSError, LeaseLost, StoreUnreachable."""
        seen, fields, counts = Marks(self._ledger.lines_of_input), dict[str, str | bytes | int](), self._lease.counts
        if counts.completed:
            fields["output_file_id"] = await self._file("o", "output", self._lines("done", seen, counts.completed))
        undone = status in ERRORS and any(True for _ in self._ledger.undone())
        if counts.failed or undone:
            lines = self._failed(seen, status if undone else None)
            fields["error_file_id"] = await self._file("e", "errors", lines)
        failed = counts.failed + self._left
        await self._lease.advance(status, ended=True, completed=counts.completed, failed=failed, **fields)
        await self._blobs.delete(await self._blobs.names(folder_of(self._lease.record.id)))

    async def _file(self, letter: str, what: str, lines: AsyncIterator[bytes]) -> str:
        record = self._lease.record
        name = f"file-{record.id.removeprefix('batch_')}{letter}"
        published = await self._files.put(
            record.namespace,
            name,
            f"{record.id}_{what}.jsonl",
            PURPOSE,
            _together(lines),
            record.wishes.output_lifetime,
            batch=record.id,
            fence=self._lease.fence,
        )
        if not published:
            raise LeaseLost(f"another server runs {record.id}")
        return name

    async def _lines(self, kind: str, seen: Marks, count: int) -> AsyncIterator[bytes]:
        """Raises OSError if there are not as many as were counted, for example because another server ended the
        batch."""
        written = 0
        async for line in self._ledger.lines(kind, seen):
            written += 1
            yield line
        if written != count:
            raise OSError(f"the parts of {self._lease.record.id} have {written} {kind} lines instead of {count}")

    async def _failed(self, seen: Marks, status: str | None) -> AsyncIterator[bytes]:
        async for line in self._lines("failed", seen, self._lease.counts.failed):
            yield line
        if status is None:
            return
        source = blob_of(self._lease.record.input_file_id)
        async for block in divided(self._blobs.read(source), source):
            for raw in block:
                if seen.add(raw.number):
                    self._left += 1
                    yield orjson.dumps(self._unasked(raw.number, raw.data, status), option=orjson.OPT_APPEND_NEWLINE)

    def _unasked(self, number: int, raw: bytes | None, status: str) -> dict[str, Any]:
        custom_id = loads(raw or b"{}").get("custom_id")  # the line was validated before: it is an object
        return {
            "id": f"{REQUEST}{self._ledger.job_id(number)}",
            "custom_id": custom_id,
            "response": None,
            "error": unasked(status, number),
        }


async def _together(lines: AsyncIterator[bytes], size: int = 256 * 1024) -> AsyncIterator[bytes]:
    """Join lines into blocks of about `size` bytes."""
    held, total = list[bytes](), 0
    async for line in lines:
        held.append(line)
        total += len(line)
        if total >= size:
            yield b"".join(held)
            held, total = [], 0
    if held:
        yield b"".join(held)

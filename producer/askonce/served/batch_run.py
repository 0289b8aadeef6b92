"""One batch, from validation to its end: the holder of its lease continues where the last holder stopped."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import orjson

from askonce.batch.line_format import Form
from askonce.batch.run import Run
from askonce.client import Client
from askonce.question import CacheMode, Tier
from askonce.readable import read_json
from askonce.served.blobs import Blobs
from askonce.served.checking import check
from askonce.served.ending import ended
from askonce.served.file_record import blob_of
from askonce.served.files import Files
from askonce.served.last_answers import LastAnswers
from askonce.served.lease import Lease
from askonce.served.part_ledger import PartLedger, folder_of
from askonce.served.paying import Paying
from askonce.served.results import Results
from askonce.served.undone import Undone
from askonce.tasks import stop
from askonce.templates.template import Templates, dumped, loaded

log = logging.getLogger("askonce")

IN_FLIGHT = 5000
SAVED_EVERY = 5.0
"""Seconds between parts."""
LAST = 60.0
"""Seconds for calls in flight to finish once a batch is cancelled or its window has ended, since they are paid for."""
GONE = b'[{"code":"file_not_found","message":"the input file is gone","param":"input_file_id","line":null}]'


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of the validation, stored beside the parts. last: the number of the last line."""

    last: int
    templates: Templates

    def dump(self) -> bytes:
        return orjson.dumps({"format": 1, "last": self.last, "templates": dumped(self.templates)})


class BatchRun:
    """model: for requests that name none. most: maximum lines of a batch. now: Redis's clock in Unix s."""

    def __init__(
        self,
        client: Client,
        blobs: Blobs,
        files: Files,
        lease: Lease,
        paying: Paying,
        *,
        model: str | None,
        most: int,
        now: float,
    ) -> None:
        self._client, self._blobs, self._files, self._lease, self._paying = client, blobs, files, lease, paying
        self._most = most
        record = lease.record
        self._input = blob_of(record.input_file_id)
        self._until = asyncio.get_running_loop().time() + record.expires_at - now
        wishes = record.wishes
        self._form = Form(
            record.namespace, model, cache=cast("CacheMode", wishes.cache), tier=cast("Tier | None", wishes.tier)
        )

    async def all(self) -> None:
        """Run the batch to its end. Raises OSError, LeaseLost or AskOnceError if it has to be continued later."""
        try:
            await self._paying.look()
            await self._to_its_end()
        except FileNotFoundError as error:
            if not self._is_over and self._lease.status != "cancelling":
                # Files of open batches are never deleted, so the store may be temporarily unmounted.
                raise OSError(f"{error.filename or error} is missing") from error
            log.warning("%s: %s is missing", self._lease.record.id, error.filename or error)
            await self._lease.advance("failed", ended=True, errors=GONE)

    async def _to_its_end(self) -> None:
        if self._lease.status == "validating" and not await self._is_sound():
            return
        plan = await self._plan()
        ledger = PartLedger(self._blobs, self._lease, plan.last)
        await ledger.load()
        status = self._ended_before() or await self._answer(ledger, plan)
        if status != "completed":
            await LastAnswers(self._client, ledger, self._form, seconds=LAST).take(self._read(), self._input)
        if not ledger.is_written:
            raise OSError("answers are not written yet")
        if status == "completed" and await self._lease.advance("finalizing") == "cancelling":
            status = "cancelled"  # it was cancelled after its last answer
        await Results(self._blobs, self._files, self._lease, ledger).write(status)

    def _ended_before(self) -> str | None:
        """The status in which the batch already ended, possibly on another server; None if it has not."""
        known = {"cancelling": "cancelled", "finalizing": "completed"}.get(self._lease.status)
        return known or ("expired" if self._is_over else None)

    @property
    def _is_over(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    def _read(self) -> AsyncIterator[bytes]:
        return self._blobs.read(self._input)

    async def _is_sound(self) -> bool:
        record = self._lease.record
        found = await check(self._read(), record.input_file_id, endpoint=record.endpoint, most=self._most)
        if found.errors:
            await self._lease.advance("failed", ended=True, errors=orjson.dumps(found.errors), total=found.lines)
            return False
        templates = await asyncio.to_thread(found.templates, self._form)
        await self._blobs.write(self._place, Plan(found.last, templates).dump())
        await self._lease.advance("in_progress", total=found.lines)
        return True

    @property
    def _place(self) -> str:
        return f"{folder_of(self._lease.record.id)}/plan.json"

    async def _plan(self) -> Plan:
        """An empty plan if the batch was cancelled before its validation: then nothing was asked."""
        try:
            record = read_json(b"".join([block async for block in self._blobs.read(self._place)]))
        except FileNotFoundError:
            if self._lease.status != "cancelling" or "in_progress" in self._lease.record.times:
                raise
            return Plan(0, Templates())
        return Plan(record["last"], loaded(record["templates"]))

    async def _answer(self, ledger: PartLedger, plan: Plan) -> str:
        """Ask the remaining lines. Returns the status in which the batch ends."""
        record = self._lease.record
        source = Undone(self._read(), record.input_file_id, ledger, self._form, plan.templates, self._paying)
        run = Run(
            self._client,
            source,
            ledger,
            in_flight=IN_FLIGHT,
            ordered=False,
            timeout=self._until + LAST - asyncio.get_running_loop().time(),
            namespace=record.namespace,
            show=lambda: None,
            note=lambda text: log.warning("%s: %s", record.id, text),
            every=SAVED_EVERY,
        )
        running = asyncio.create_task(run.all())
        try:
            status = await self._ended(running)
        finally:
            await ended(running)
        if status == "completed":
            running.result()
        return status

    async def _ended(self, running: "asyncio.Task[None]") -> str:
        """The status of whichever comes first: the last answer, a cancellation, or the end of the window."""
        others = [asyncio.create_task(self._lease.cancelled.wait()), asyncio.create_task(self._paying.watch())]
        try:
            left = max(0.0, self._until - asyncio.get_running_loop().time())
            await asyncio.wait({running, others[0]}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return "completed"
            return "cancelled" if self._lease.cancelled.is_set() else "expired"
        finally:
            await stop(*others)

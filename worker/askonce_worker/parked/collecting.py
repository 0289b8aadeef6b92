"""Collects a provider batch: polls it and, once it has ended, reads its files and settles each line.

A line is done once its question is no longer in a batch. So files can be read again after a kill or a broken
connection: settled lines are skipped.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field

import structlog
from openai.types import Batch

from askonce.store.away import TROUBLE
from askonce_worker.answering.answers import Failure
from askonce_worker.logs.error_origin import place
from askonce_worker.logs.redaction import Redactor
from askonce_worker.parked.batch_record import BatchRecord
from askonce_worker.parked.batches import NOW, Batches
from askonce_worker.parked.lines import Outcome, read_line
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.provider_api import ENDED, BatchApi
from askonce_worker.parked.refusal import NO_FILE, Refusal, of_batch
from askonce_worker.parked.settling import Reply, Settling
from askonce_worker.parked.splitting import Splitting
from askonce_worker.parked.store import LockLost, ParkedStore
from askonce_worker.providers.provider import ProviderError

log = structlog.get_logger()

AT_ONCE = 100
"""Lines settled together."""
SETTLING = 30.0
"""Seconds per round for a batch's lines, because deadlines must be checked, too."""
LOST_AFTER = 10_800.0
"""Seconds of only "not found" replies for a batch or a file, after which it counts as lost."""

UNWRITABLE: Failure = {"error": {"kind": "invalid_response", "message": "the answer cannot be written"}}


@dataclass(slots=True)
class _FileRead:
    """lines: their number. readable: how many of them name a question. again: the questions to move to the next
    batch."""

    lines: int = 0
    readable: int = 0
    again: set[str] = field(default_factory=set)


class Collecting:
    """margin: seconds before a question's deadline, when its batch is cancelled for it."""

    def __init__(
        self,
        *,
        store: ParkedStore,
        batches: Batches,
        api: BatchApi,
        settling: Settling,
        splitting: Splitting,
        pauses: Pauses,
        redactor: Redactor,
        margin: float,
    ) -> None:
        self._store = store
        self._batches = batches
        self._api = api
        self._settling = settling
        self._splitting = splitting
        self._pauses = pauses
        self._redactor = redactor
        self._margin_ms = int(margin * 1000)

    async def step(self, batch: BatchRecord) -> None:
        """Polls a running batch."""
        if batch.state != "running" or not self._pauses.is_over(batch.name):
            return
        try:
            await self._look(batch)
        except ProviderError as error:
            log.warning("batch.not_read", batch=batch.name, error=str(error))
            self._pauses.pause(batch.name, error.retry_after)
            if self._pauses.lasts(batch.name, str(error.status)) >= LOST_AFTER and error.status == NO_FILE:
                await self._give_up(batch)

    async def _look(self, batch: BatchRecord) -> None:
        """Some providers say that it has ended a little before all of its files is there: that is waited for."""
        found = await self._api.look(batch.batch_id)
        now = await self._batches.note(batch.name, **_facts(found))
        if found.status not in ENDED:
            await self._cancel_in_time(batch, found, now)
            self._pauses.looked(batch.name, max(0.0, (now - batch.asked) / 1000))
        elif found.status == "failed":
            await self._failed(batch, found)
        else:
            await self._settle(batch, found)

    async def _cancel_in_time(self, batch: BatchRecord, found: Batch, now: int) -> None:
        """Cancels the batch if an operator asks, or a question is near its deadline. Finished lines are billed and
        used."""
        if batch.cancelled:
            if found.status != "cancelling":
                await self._api.cancel(batch.batch_id)
        elif batch.unwanted or await self._is_pressing(batch, now + self._margin_ms):
            await self._batches.note(batch.name, cancelled=NOW)
            await self._api.cancel(batch.batch_id)

    async def _is_pressing(self, batch: BatchRecord, latest: int) -> bool:
        """Whether a question it was created for is near its deadline. Later waiters are asked for at once,
        separately."""
        while ids := await self._store.due(batch.lines, latest, AT_ONCE):
            asked = 0
            for parked in await self._store.read_from(batch.lines, ids):
                due = [waiter for waiter in parked.waiters if waiter.deadline <= latest]
                if not all(waiter.late for waiter in due):
                    return True
                await self._settling.ask_alone(parked, due)
                asked += len(due)
            if not asked:
                break
        return False

    async def _give_up(self, batch: BatchRecord) -> None:
        """The provider does not know the batch, or one of its files, which may be read already. Once it has ended, no
        more lines are billed than the provider has completed."""
        batch = await self._batches.read(batch.name) or batch  # some lines may have been read just now
        billed = await self._store.count(batch.lines)
        if batch.status in ENDED and batch.completed is not None:
            billed = min(billed, max(0, batch.completed - batch.done - batch.vain - batch.lost))
        log.error("batch.lost", batch=batch.name, provider_id=batch.batch_id, may_be_billed=billed)
        await self._lost(batch, billed)
        await self._end(batch, "lost", tried=True)

    async def _lost(self, batch: BatchRecord, most: int, unbilled: AbstractSet[str] = frozenset()) -> None:
        """Counts so many lines as billed. Nobody knows which: those that were never run, as a file says, are not."""
        for at in range(0, await self._store.count(batch.lines), AT_ONCE):
            ids = [name for name in await self._store.ids(batch.lines, at, AT_ONCE) if name not in unbilled]
            some = [parked for parked in await self._store.read(ids) if parked.wasted != batch.name][:most]
            if some:
                await self._settling.lost(some, batch.name)
            most -= len(some)

    async def _failed(self, batch: BatchRecord, found: Batch) -> None:
        errors = (found.errors.data if found.errors else None) or []
        reason = "; ".join(f"{error.code} in line {error.line}" for error in errors[:3])  # its words may quote a prompt
        if of_batch(errors) is Refusal.LIMIT:
            await self._splitting.smaller_and_later(batch)
        else:
            await self._splitting.halves(batch, reason or "the provider gives no reason")

    async def _settle(self, batch: BatchRecord, found: Batch) -> None:
        until = asyncio.get_running_loop().time() + SETTLING
        output, errors = _FileRead(), _FileRead()
        for file_id, read in ((found.output_file_id, output), (found.error_file_id, errors)):
            if file_id:
                async with aclosing(self._api.content(file_id)) as lines:
                    if not await self._settle_all(batch, lines, until, read):
                        return
        completed = (found.request_counts.completed if found.request_counts else None) or 0
        missing = completed - output.readable - batch.lost
        is_awaited = output.lines < completed and not batch.lost
        if is_awaited and self._pauses.lasts(batch.name, "incomplete") < LOST_AFTER:
            self._pauses.pause(batch.name, None)
            return
        if missing > 0:
            log.warning("batch.lines_missing", batch=batch.name, read=output.readable, billed=completed)
            await self._lost(batch, missing, output.again | errors.again)
        files = " ".join(filter(None, (found.output_file_id, found.error_file_id)))
        await self._end(batch, found.status, tried=found.status == "completed", files=files)

    async def _settle_all(self, batch: BatchRecord, lines: AsyncIterator[bytes], until: float, read: _FileRead) -> bool:
        """False: its time is up. The next round reads the file again, and leaves out what was settled."""
        some: dict[str, Outcome] = {}
        line, outcome = b"", None
        async for line in lines:
            outcome = read_line(line, self._redactor) if line.strip() else None
            read.lines += bool(line.strip())
            read.readable += outcome is not None
            if outcome is not None and outcome.kind == "again":
                read.again.add(outcome.id)
            if outcome is not None and (outcome.kind != "again" or outcome.billed):
                some[outcome.id] = outcome
            if len(some) == AT_ONCE:
                settled = await self._settle_some(batch, some)
                some = {}
                if settled and asyncio.get_running_loop().time() > until:
                    return False
        read.lines -= bool(line.strip()) and outcome is None  # cut off: it is not all there
        await self._settle_some(batch, some)
        return True

    async def _settle_some(self, batch: BatchRecord, outcomes: dict[str, Outcome]) -> int:
        """Settles lines; returns how many were still in the batch."""
        parked = [each for each in await self._store.read(list(outcomes)) if each.place == batch.lines]
        paid_in_vain = [(each, outcomes[each.id]) for each in parked if outcomes[each.id].billed]
        await self._settling.wasted(paid_in_vain, batch.name)
        replies = []
        for each in parked:
            outcome = outcomes[each.id]
            if outcome.failure is not None:
                await self._settling.failed(each, outcome.failure, batch.name)
            elif outcome.body is not None:
                began = batch.epochs.get(each.question.namespace or "", "")
                replies.append(Reply(each, outcome.body, began, batch.asked))
        await self._answer(batch, replies)
        return len(parked)

    async def _answer(self, batch: BatchRecord, replies: Sequence[Reply]) -> None:
        """Settles an answer. One that cannot be stored does not hold up others, and is not paid for again."""
        try:
            await self._settling.answered(replies, batch.name)
        except (LockLost, *TROUBLE):
            raise
        except Exception as error:  # noqa: BLE001 - it concerns one line only
            if len(replies) > 1:
                for reply in replies:
                    await self._answer(batch, [reply])
                return
            name = replies[0].parked.id
            log.error("batch.unwritable", question=name, error=type(error).__name__, where=place(error))
            outcome = Outcome(name, "failed", billed=replies[0].body)
            for parked in await self._store.read([name]):
                await self._settling.wasted([(parked, outcome)], batch.name)
                await self._settling.failed(parked, UNWRITABLE, batch.name)

    async def _end(self, batch: BatchRecord, status: str, *, tried: bool, files: str = "") -> None:
        """files: at the provider, which are read."""
        left = await self._splitting.go_on(batch, tried=tried)
        facts = {"state": "ended", "status": status, "left": left, "files": files, "ended": NOW}
        if not await self._batches.note(batch.name, **facts):
            return
        self._splitting.taken(batch.pool)
        with contextlib.suppress(ValueError):
            await self._batches.set_limit(batch.pool, (await self._batches.limit(batch.pool)).wider())
        log.info("batch.ended", batch=batch.name, status=status, left=left, model=batch.model)


def _facts(found: Batch) -> dict[str, object]:
    counts = found.request_counts
    facts: dict[str, object] = {"status": found.status}
    if counts is not None and counts.total:  # some servers do not count
        facts |= {"completed": counts.completed or 0, "refused": counts.failed or 0}
    return facts

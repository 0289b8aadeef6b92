"""Turns parked questions into a provider batch: lines, file, creation. Each step is recorded before the next begins.

A worker may die at any point, and the next one continues from what is recorded. Only creation is delicate: it costs
money, takes no idempotency key, and its reply may be lost. So `creating` is recorded before the request, with the time,
and a batch found in that state is looked up at the provider until the request can no longer arrive. If there are
several with one name (after a very late request), all but the first are cancelled.
"""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from askonce.store.away import AWAY
from askonce_worker.logs.error_origin import place
from askonce_worker.parked.batch_record import UNSENT, BatchRecord, epochs_record
from askonce_worker.parked.batches import NOW, REMEMBERED, Batches, new_name
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.provider_api import ENDED, BatchApi
from askonce_worker.parked.records import is_bounded
from askonce_worker.parked.refusal import ABSENT, IN_BETWEEN, NO_FILE, Refusal, of_request
from askonce_worker.parked.request_file import RequestFiles
from askonce_worker.parked.splitting import Splitting
from askonce_worker.parked.store import LockLost, ParkedStore
from askonce_worker.providers.provider import ProviderError

log = structlog.get_logger()

ARRIVES = 150.0
"""Seconds after which an unanswered request to create can no longer arrive: its own timeout, and how long a proxy may
hold it."""
GONE = ("failed", "expired", "cancelled")
LISTED = 30.0
"""Seconds after which the list has a created batch, if the provider has replied, even with an error."""


class Unlisted(Exception):
    """The provider currently does not list its batches or files."""


class Sending:
    """wait: seconds for which questions are collected. most: lines in a batch."""

    def __init__(
        self,
        *,
        store: ParkedStore,
        batches: Batches,
        api: BatchApi,
        request_files: RequestFiles,
        splitting: Splitting,
        pauses: Pauses,
        wait: float,
        most: int,
        arrives: float = ARRIVES,
        listed: float = LISTED,
    ) -> None:
        self._store = store
        self._batches = batches
        self._api = api
        self._request_files = request_files
        self._splitting = splitting
        self._pauses = pauses
        self._wait_ms = int(wait * 1000)
        self._most = most
        self._lists = True
        self._arrives_ms = int(arrives * 1000)
        self._listed_ms = int(listed * 1000)

    async def gather(self, batches: Sequence[BatchRecord]) -> None:
        """Begins batches of each pool with enough questions, or with some that have waited long enough.

        A pool for which the provider refused more has one batch at a time; a pool with a budget has one unsent batch.
        batches: all that have not ended.
        """
        now = await self._batches.now_ms()
        for pool, since in (await self._batches.pools()).items():
            try:
                its = [batch for batch in batches if batch.pool == pool]
                await self._gather_pool(pool, its, late=now - since >= self._wait_ms, now=now)
            except (LockLost, *AWAY):
                raise
            except Exception as error:  # noqa: BLE001 - it concerns one pool only
                log.error("batch.not_gathered", pool=pool, error=type(error).__name__, where=place(error))

    async def _gather_pool(self, pool: str, its: Sequence[BatchRecord], *, late: bool, now: int) -> None:
        """its: batches of this pool. late: it has waited long enough."""
        limit = await self._batches.limit(pool)
        tight = limit.most < self._most
        one = tight or is_bounded(pool)
        if now < limit.until or (tight and its) or (one and any(batch.state in UNSENT for batch in its)):
            return
        left = await self._store.count(f"ready:{pool}")
        if not left:
            await self._store.gather(new_name(), pool, 1)  # it has none any more: forgets since when
        while left >= limit.most or (left > 0 and late):
            await self._gather(pool, limit.most)
            left = 0 if one else left - limit.most

    async def _gather(self, pool: str, most: int) -> None:
        name, left = new_name(), most
        while left > 0 and (moved := await self._store.gather(name, pool, left)):
            left -= moved

    async def step(self, batch: BatchRecord) -> None:
        """Advances one batch as far as possible now."""
        try:
            if batch.unwanted and batch.state in UNSENT:
                await self._abandon(batch)
                return
            if batch.state == "filled" and self._pauses.is_over(batch.name):
                batch = await self._upload(batch)
            if batch.state == "uploaded" and self._pauses.is_over(batch.name):
                await self._create(batch)
            elif batch.state == "creating" and self._pauses.is_over(batch.name):
                await self._find(batch)
        except Unlisted as error:
            log.warning("batch.not_listed", batch=batch.name, error=str(error.__cause__))
            self._pauses.pause(batch.name, getattr(error.__cause__, "retry_after", None))
        except ProviderError as error:
            await self._refused(batch, error)

    async def _abandon(self, batch: BatchRecord) -> None:
        await self._splitting.go_on(batch, tried=False)
        if self._pauses.is_over(batch.name):
            await self._drop_uploads(batch)
            await self._batches.note(batch.name, state="ended", status="cancelled", ended=NOW)

    async def _upload(self, batch: BatchRecord) -> BatchRecord:
        await self._drop_uploads(batch)
        file = await self._request_files.make(batch)
        if not file.total:
            await self._batches.note(batch.name, state="ended", status="empty", ended=NOW)
            return replace(batch, state="ended")
        await self._batches.note(batch.name, uploading=NOW)
        file_id = await self._api.upload(batch.name, bytes(file.content))
        facts = {"file": file_id, "total": file.total, "epochs": epochs_record(file.epochs)}
        try:
            await self._batches.note(batch.name, **facts, state="uploaded")
        except LockLost:
            await self._batches.drop_file(file_id)  # whoever has the lock may have listed them before it was there
            raise
        return replace(batch, state="uploaded", total=file.total, file_id=file_id, epochs=file.epochs)

    async def _drop_uploads(self, batch: BatchRecord) -> None:
        """Drops files of a worker that died before it knew their id, or lost the reply. Their content may be
        outdated. Only the holder of the lock can: the list may have the file of a worker that has taken over."""
        if not batch.uploading or batch.state != "filled":
            return
        try:
            found = await self._api.uploads(batch.name, since=batch.began // 1000 - 3600)
            await self._batches.note(batch.name, files=" ".join(found))
        except ProviderError as error:
            if not error.final and error.status not in ABSENT:
                raise Unlisted from error
            log.warning("batch.files_not_listed", batch=batch.name, error=str(error))

    async def _create(self, batch: BatchRecord) -> None:
        """Creates the batch. Checks the list first: Redis may have lost its last second, and with it the creation."""
        if await self._is_found(batch):
            return
        await self._batches.note(batch.name, state="creating", asked=NOW)  # the lock is ours, just before the request
        created = await self._api.create(batch.name, batch.file_id, within=self._arrives_ms / 1000)
        try:
            await self._running(batch, created.id)
        except LockLost:
            known = await self._batches.read(batch.name)
            if known is None or known.batch_id != created.id:
                await self._cancel(created.id)  # another worker makes one, or has, since nothing was heard of this
            raise

    async def _find(self, batch: BatchRecord) -> None:
        if not await self._is_found(batch) and await self._is_too_late(batch):
            await self._batches.note(batch.name, state="uploaded")

    async def _is_found(self, batch: BatchRecord) -> bool:
        """Whether the provider has it. If so, it runs, and others with its name or file are cancelled."""
        try:
            found = await self._api.find(batch.name, batch.file_id, since=batch.began // 1000 - 3600)
        except ProviderError as error:
            self._lists = error.status not in ABSENT
            if not self._lists:
                return False
            raise Unlisted from error
        self._lists = True
        if not found:
            return False
        first, *others = sorted(found, key=lambda each: (each.status in GONE, each.created_at or 0))
        for other in others:
            log.warning("batch.twice", batch=batch.name, provider_id=other.id)
            if other.status not in ENDED:
                await self._cancel(other.id)
        await self._running(batch, first.id)
        return True

    async def _cancel(self, batch_id: str) -> None:
        """Cancels a batch. A provider refuses if it has already ended."""
        try:
            await self._api.cancel(batch_id)
        except ProviderError as error:
            if error.status is None or error.status >= IN_BETWEEN:
                raise

    async def _running(self, batch: BatchRecord, batch_id: str) -> None:
        await self._batches.note(batch.name, state="running", id=batch_id, status="validating")
        log.info("batch.created", batch=batch.name, provider_id=batch_id, lines=batch.total, model=batch.model)

    async def _refused(self, batch: BatchRecord, error: ProviderError) -> None:
        refusal = of_request(error)
        if error.status in ABSENT and (batch.state == "filled" or not self._lists):
            log.error("batch.not_served", status=error.status, tier="standard", seconds=REMEMBERED)
            await self._batches.give_up()
            await self._batches.note(batch.name, state="filled")
            return
        log.warning("batch.refused", batch=batch.name, error=str(error), as_=refusal.value)
        self._pauses.pause(batch.name, error.retry_after)
        if batch.state == "creating":  # the others cannot be cancelled now
            return
        if refusal is Refusal.UNKNOWN:
            if batch.state == "uploaded" and error.status is not None:
                await self._batches.note(batch.name, heard=NOW)
        elif refusal is Refusal.LIMIT:
            await self._splitting.smaller_and_later(batch)
        elif refusal is Refusal.FILE:
            await self._splitting.halves(batch, str(error))
        elif error.status == NO_FILE and batch.state == "uploaded":
            await self._batches.note(batch.name, state="filled")  # the provider has lost its file
        else:
            await self._batches.note(batch.name, state=batch.state)

    async def _is_too_late(self, batch: BatchRecord) -> bool:
        """Whether a request to create it can no longer succeed."""
        now = await self._batches.now_ms()
        return now > batch.asked + self._arrives_ms or (
            batch.heard > batch.asked and now > batch.heard + self._listed_ms
        )

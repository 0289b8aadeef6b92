"""From parked questions to a provider's batch: lines, file, creation. Each step is recorded before the next one begins.

A worker may die anywhere, and the next one goes on from what is recorded. Only creating is delicate: it costs money,
takes no idempotency key, and its reply may be lost. So `creating` is recorded before the request, with the moment; and
what is found in that state is looked for at the provider until the request cannot arrive any more. Several of one name
(a request that was very late) are one too many: all but the first are cancelled.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import structlog

from askonce_worker.parked.batch_record import BatchRecord, epochs_record
from askonce_worker.parked.batches import NOW, Batches, new_name
from askonce_worker.parked.lines import request_line
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.pending import Pending
from askonce_worker.parked.provider_api import ENDED, BatchApi
from askonce_worker.parked.refusal import IN_BETWEEN, NO_FILE, NO_LIST, Refusal, of_request
from askonce_worker.parked.splitting import Splitting
from askonce_worker.parked.store import AT_ONCE, LockLost, ParkedStore
from askonce_worker.providers.provider import ProviderError

log = structlog.get_logger()

MOST_BYTES = 64_000_000
"""Of a file, which is held in memory. Providers take 200 MB."""
ARRIVES = 150.0
"""Seconds after which a request to create that nobody has an answer to cannot arrive any more: its own timeout,
and what a proxy may hold it."""
GONE = ("failed", "expired", "cancelled")
LISTED = 30.0
"""Seconds after which the list has what was created, where the provider has replied, if only with an error."""


class Unlisted(Exception):
    """The provider does not say now which batches it has."""


class Sending:
    """wait: seconds for which questions are gathered. most: lines in a batch."""

    def __init__(
        self,
        *,
        store: ParkedStore,
        batches: Batches,
        api: BatchApi,
        pending: Pending,
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
        self._pending = pending
        self._splitting = splitting
        self._pauses = pauses
        self._wait_ms = int(wait * 1000)
        self._most = most
        self._arrives_ms = int(arrives * 1000)
        self._listed_ms = int(listed * 1000)

    async def gather(self, open_models: Collection[str]) -> None:
        """Begins batches of each model that has enough questions, or has had some for long enough.

        A model of which the provider has refused to take more has one batch at a time. open_models: those with some.
        """
        now = await self._batches.now_ms()
        for model, since in (await self._batches.models()).items():
            limit = await self._batches.limit(model)
            tight = limit.most < self._most
            if now < limit.until or (tight and model in open_models):
                continue
            left = await self._store.count(f"ready:{model}")
            if not left:
                await self._store.gather(new_name(), model, 1)  # it has none any more: forgets since when
            while left >= limit.most or (left > 0 and now - since >= self._wait_ms):
                await self._gather(model, limit.most)
                left = 0 if tight else left - limit.most

    async def _gather(self, model: str, most: int) -> None:
        name, left = new_name(), most
        while left > 0 and (moved := await self._store.gather(name, model, left)):
            left -= moved

    async def step(self, batch: BatchRecord) -> None:
        """Brings one batch as far as it goes now."""
        if batch.unwanted and batch.state in ("filled", "uploaded"):
            await self._splitting.go_on(batch, tried=False)
            await self._batches.note(batch.name, state="ended", status="cancelled", ended=NOW)
            return
        try:
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

    async def _upload(self, batch: BatchRecord) -> BatchRecord:
        content, total, epochs = await self._file(batch)
        if not total:
            await self._batches.note(batch.name, state="ended", status="empty", ended=NOW)
            return replace(batch, state="ended")
        file_id = await self._api.upload(batch.name, content)
        facts = {"file": file_id, "total": total, "epochs": epochs_record(epochs)}
        await self._batches.note(batch.name, **facts, state="uploaded")
        return replace(batch, state="uploaded", total=total, file_id=file_id, epochs=epochs)

    async def _file(self, batch: BatchRecord) -> tuple[bytes, int, Mapping[str, str]]:
        """Its lines, how many they are, and the epochs by namespace. What finds no place goes back."""
        content, total = bytearray(), 0
        epochs: dict[str, str] = {}
        ids = await self._store.ids(batch.lines, 0, self._most)
        left: list[str] = []
        for at in range(0, len(ids), AT_ONCE):
            if left:
                left += ids[at:]
                break
            for waiting in await self._pending.look(await self._store.read_from(batch.lines, ids[at : at + AT_ONCE])):
                parked = waiting.parked
                line = request_line(parked.id, parked.question)
                if content and len(content) + len(line) > MOST_BYTES:
                    left.append(parked.id)
                    continue
                epochs.setdefault(parked.question.namespace or "", waiting.epochs)
                content += line
                total += 1
        await self._store.move(left, batch.lines, f"ready:{batch.model}")
        return bytes(content), total, epochs

    async def _create(self, batch: BatchRecord) -> None:
        """The list first: a Redis that came back without its last second does not know that it was created."""
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
        """Whether the provider has it: then it runs, and others of its name or file are cancelled."""
        try:
            found = await self._api.find(batch.name, batch.file_id, since=batch.began // 1000 - 3600)
        except ProviderError as error:
            if error.status in NO_LIST:
                return False
            raise Unlisted from error
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
        """A provider that refuses does so because it has ended."""
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
        log.warning("batch.refused", batch=batch.name, error=str(error), as_=refusal.value)
        self._pauses.pause(batch.name, error.retry_after)
        if batch.state == "creating":  # what is to be cancelled beside it cannot be now
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
        """Whether a request to create it cannot have come to anything any more."""
        now = await self._batches.now_ms()
        return now > batch.asked + self._arrives_ms or (
            batch.heard > batch.asked and now > batch.heard + self._listed_ms
        )

"""The lease of a batch: only this process runs the batch for as long as it renews the lease in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from askonce.contract.served_keys import ServedKeys
from askonce.errors import AskOnceError
from askonce.served.batch_record import BatchRecord, read_batch
from askonce.store.connection import Store
from askonce.store.scripts import Script
from askonce.tasks import stop

NAMES = ("claim_served", "keep_served", "advance_served", "cancel_served")
CLAIM, KEEP, ADVANCE, CANCEL = (Script("askonce.served", name) for name in NAMES)
SECONDS = 10.0
"""Seconds after which another server may take a batch whose server is silent."""
RENEWED = 3.0


class LeaseLost(Exception):
    """Another server runs the batch."""


@dataclass(slots=True)
class Counts:
    """Numbers of answered and of failed lines."""

    completed: int = 0
    failed: int = 0


class Lease:
    """kept: seconds for which an ended batch is kept. status: as last seen in Redis.

    counts: as the previous server left them, until the ledger is loaded.
    """

    def __init__(self, store: Store, keys: ServedKeys, record: BatchRecord, fence: int, *, kept: int) -> None:
        self.record, self.fence, self.status = record, fence, record.status
        self.counts = Counts(record.counts.get("completed", 0), record.counts.get("failed", 0))
        self.cancelled = asyncio.Event()
        self._store, self._kept = store, kept
        space, name = record.namespace, record.id
        self._batch, self._names = keys.batch(space, name), [name, space]
        self._places = [keys.open(space), self._batch, keys.due]
        self._note(record.status)

    async def confirm(self) -> None:
        """Renew the lease. Raises LeaseLost, StoreUnreachable."""
        await self._keep(SECONDS)

    async def advance(self, status: str, *, ended: bool = False, **fields: str | bytes | int) -> str:
        """Returns the status afterwards: a batch being cancelled keeps its status until it ends. Raises LeaseLost."""
        kept = self._kept if ended else 0
        reply: bytes = await self._store.script(
            ADVANCE,
            self._places,
            [*self._names, self.fence, status, kept, *(part for pair in fields.items() for part in pair)],
        )
        return self._note(reply.decode())

    async def cancel(self) -> None:
        """Cancel the batch, as its creator may. Raises StoreUnreachable."""
        reply: bytes = await self._store.script(CANCEL, [self._batch], [])
        self._note(reply.decode())

    async def give_back(self, pause: float) -> None:
        """Let any server take it after a pause in seconds. Raises LeaseLost, StoreUnreachable."""
        await self._keep(pause)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Renew the lease while the block runs. If it is lost, the block is cancelled and LeaseLost raised."""
        main, lost = asyncio.current_task(), list[LeaseLost]()
        assert main is not None

        def ended(task: "asyncio.Task[None]") -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                lost.append(error if isinstance(error, LeaseLost) else LeaseLost(repr(error)))
                main.cancel()

        renewing = asyncio.create_task(self._renew())
        renewing.add_done_callback(ended)
        try:
            yield
        except asyncio.CancelledError:
            if not lost:
                raise
            main.uncancel()
            raise lost[0] from None
        finally:
            await stop(renewing)

    async def _renew(self) -> None:
        clock = asyncio.get_running_loop().time
        heard = clock()
        while True:
            await asyncio.sleep(RENEWED)
            try:
                await self.confirm()
                heard = clock()
            except AskOnceError:
                if clock() - heard > SECONDS:
                    raise LeaseLost("Redis does not answer") from None

    async def _keep(self, seconds: float) -> None:
        reply: bytes = await self._store.script(
            KEEP,
            self._places,
            [*self._names, self.fence, int(seconds * 1000), self.counts.completed, self.counts.failed],
        )
        self._note(reply.decode())

    def _note(self, status: str) -> str:
        if not status:
            raise LeaseLost(f"another server runs {self.record.id}")
        self.status = status
        if status == "cancelling":
            self.cancelled.set()
        return status


async def claimed(store: Store, keys: ServedKeys, *, kept: int) -> Lease | None:
    """The lease of a batch that no server runs. None if there is none, or this release cannot read it."""
    prefixes = [keys.open(""), keys.batch("", "").removesuffix(":")]
    reply = await store.script(CLAIM, [keys.due], [*prefixes, int(SECONDS * 1000)])
    record = read_batch(reply[3]) if reply else None
    return None if record is None else Lease(store, keys, record, int(reply[2]), kept=kept)

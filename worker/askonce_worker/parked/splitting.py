"""Handles batches refused as a whole (split in half, or smaller and later), and questions left over by a batch."""

from collections.abc import Sequence

import structlog

from askonce_worker.answering.ports import Clock
from askonce_worker.parked.batch_record import BatchRecord
from askonce_worker.parked.batches import NOW, Batches
from askonce_worker.parked.records import Parked
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.store import AT_ONCE, ParkedStore

log = structlog.get_logger()

MOST_TRIES = 3
"""Batches that may fail to answer a question before it is asked at once."""
REFUSED_IN_A_ROW = 40
"""Refused batches in a row, per pool. One bad line among 50,000 takes 16; half of the rest is accepted each time."""


class Splitting:
    def __init__(
        self, store: ParkedStore, batches: Batches, settling: Settling, clock: Clock, *, margin: float
    ) -> None:
        """margin: seconds before its deadline from which on a question does not wait for a batch."""
        self._store = store
        self._batches = batches
        self._settling = settling
        self._clock = clock
        self._margin_ms = int(margin * 1000)
        self._refused: dict[str, int] = {}

    def taken(self, pool: str) -> None:
        """A batch of this pool was accepted."""
        self._refused.pop(pool, None)

    async def halves(self, batch: BatchRecord, reason: str) -> None:
        """Make two batches of one. A single question is asked at once, so that only it can fail."""
        refused = self._refused[batch.pool] = self._refused.get(batch.pool, 0) + 1
        await self._forget_file(batch)
        ids = await self._all(batch)
        log.warning("batch.split", batch=batch.name, lines=len(ids), reason=reason[:200])
        if refused >= REFUSED_IN_A_ROW:
            await self._store.move(ids, batch.lines, f"ready:{batch.pool}")
            limit = await self._batches.limit(batch.pool)
            await self._batches.set_limit(batch.pool, limit.paused(self._clock.now_ms()))
        elif len(ids) == 1:
            await self._settling.to_standard(await self._store.read_from(batch.lines, ids))
        else:
            middle = (len(ids) + 1) // 2
            for half in (ids[:middle], ids[middle:]):
                if half:
                    made = await self._batches.begin(batch.pool)
                    await self._store.move(half, batch.lines, made.lines)
        await self._batches.note(batch.name, state="ended", status="refused", reason=reason[:500], ended=NOW)

    async def smaller_and_later(self, batch: BatchRecord) -> None:
        """The provider has enough of this model waiting."""
        await self._forget_file(batch)
        ids = await self._all(batch)
        limit = (await self._batches.limit(batch.pool)).tighter(len(ids), self._clock.now_ms())
        await self._batches.set_limit(batch.pool, limit)
        await self._store.move(ids, batch.lines, f"ready:{batch.pool}")
        await self._batches.note(batch.name, state="ended", status="put_off", ended=NOW)

    async def go_on(self, batch: BatchRecord, *, tried: bool) -> int:
        """Moves leftover questions to the next batch, or asks them at once. Returns how many.

        tried: whether it counts as a try.
        """
        left = await self._store.count(batch.lines)
        latest = self._clock.now_ms() + self._margin_ms
        while ids := await self._store.ids(batch.lines, 0, AT_ONCE):
            again: list[str] = []
            leave: list[Parked] = []
            for parked in await self._store.read_from(batch.lines, ids):
                if not parked.waiters:
                    await self._settling.gone(parked, (), keep=False)
                elif parked.tries + tried >= MOST_TRIES or parked.deadline <= latest:
                    leave.append(parked)
                else:
                    again.append(parked.id)
            await self._settling.to_standard(leave)
            await self._store.move(again, batch.lines, f"ready:{batch.pool}", tries=int(tried))
        return left

    async def _forget_file(self, batch: BatchRecord) -> None:
        """Must run before a line leaves: after a kill, the file that still has it must not be sent."""
        if batch.state != "running":
            await self._batches.note(batch.name, state="filled")

    async def _all(self, batch: BatchRecord) -> Sequence[str]:
        return await self._store.ids(batch.lines, 0, await self._store.count(batch.lines))

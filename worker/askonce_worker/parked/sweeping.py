"""Watches parked questions while they wait: a deadline comes near, the answer arrives otherwise, or all waiters leave.

Deadlines are always checked. To find answers, all waiting questions are checked a few at a time: somebody may have
asked the same in the interactive lane, which does not wait for batches.
"""

import asyncio
from collections.abc import Sequence

from askonce_worker.parked.batch_record import UNSENT, BatchRecord
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.pending import Pending
from askonce_worker.parked.records import NEVER
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.store import NEW, ParkedStore

AT_ONCE = 200
LEAVING = 5.0


class Sweeping:
    """margin: seconds before its deadline from which a question does not wait for a batch."""

    def __init__(
        self, store: ParkedStore, batches: Batches, pending: Pending, settling: Settling, *, margin: float
    ) -> None:
        self._store = store
        self._batches = batches
        self._pending = pending
        self._settling = settling
        self._margin_ms = int(margin * 1000)
        self._round: list[str] = []
        self._at = 0

    async def leave_in_time(self, batches: Sequence[BatchRecord]) -> None:
        """Questions that a batch will not answer in time are asked at once; so are all of them if the provider has no
        batches. batches: all that have not ended. Lines may leave a batch that has not been created at the provider."""
        latest = NEVER
        if await self._batches.are_served():
            latest = await self._batches.now_ms() + self._margin_ms
        for place in await self._waiting():
            await self._leave_all(place, latest)
        for batch in batches:
            if batch.state in UNSENT and await self._store.due(batch.lines, latest, 1):
                await self._batches.note(batch.name, state="filled")  # its file, if it has one, would differ
                await self._leave_all(batch.lines, latest)

    async def _leave_all(self, place: str, latest: int) -> None:
        """All that are due, or as many as some seconds allow; the rest follow in the next round."""
        until = asyncio.get_running_loop().time() + LEAVING
        while due := await self._store.due(place, latest, AT_ONCE):
            await self._leave(place, due)
            if len(due) < AT_ONCE or asyncio.get_running_loop().time() > until:
                break

    async def _leave(self, place: str, ids: Sequence[str]) -> None:
        waiting = await self._pending.look(await self._store.read_from(place, ids))
        await self._settling.to_standard([each.parked for each in waiting])

    async def expire(self, places: list[str]) -> None:
        """Expire lines of batches whose deadline has passed. The batch continues, and its answer will be cached."""
        now = await self._batches.now_ms()
        for place in places:
            for parked in await self._store.read_from(place, await self._store.due(place, now, AT_ONCE)):
                late = [waiter for waiter in parked.waiters if waiter.deadline <= now]
                await self._settling.expired(parked, late, keep=True)

    async def look_again(self, places: list[str]) -> None:
        """Check waiting questions, a few per step. places: the lines of batches."""
        if not self._round:
            self._round, self._at = [*(await self._waiting())[1:], *places], 0
        if not self._round:
            return
        place = self._round[0]
        ids = await self._store.ids(place, self._at, AT_ONCE)
        before = await self._store.count(place)
        await self._pending.look(await self._store.read_from(place, ids), keep=place.startswith("lines:"))
        gone = max(0, before - await self._store.count(place))
        self._at += max(0, len(ids) - gone)
        if len(ids) < AT_ONCE:
            self._round.pop(0)
            self._at = 0

    async def _waiting(self) -> list[str]:
        return [NEW, *(f"ready:{pool}" for pool in await self._batches.pools())]

"""Processes parked questions. One worker at a time does it, and any other can continue its work."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import LockError
from redis.exceptions import TimeoutError as NoReply

from askonce.contract.keys import Keys
from askonce.store.away import AWAY, TROUBLE
from askonce.tasks import stop
from askonce_worker.logs.error_origin import place
from askonce_worker.parked.batch_record import BatchRecord
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.collecting import Collecting
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.sending import Sending
from askonce_worker.parked.sorting import Sorting
from askonce_worker.parked.store import LockLost, ParkedStore
from askonce_worker.parked.sweeping import Sweeping
from askonce_worker.parked.tidying import Tidying

log = structlog.get_logger()

ROUND = 10.0
"""Seconds per round for batches, because deadlines must be checked, too. The rest follow in the next round."""
SORTING = 5.0
"""The same for new questions."""
IDLE = 1.0
"""Seconds between rounds, and between tries to get the lock."""


class Tending:
    """locked: seconds after which another worker takes over from a dead one."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        store: ParkedStore,
        batches: Batches,
        *,
        sorting: Sorting,
        sending: Sending,
        collecting: Collecting,
        sweeping: Sweeping,
        tidying: Tidying,
        pauses: Pauses,
        locked: float,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._store = store
        self._batches = batches
        self._sorting = sorting
        self._sending = sending
        self._collecting = collecting
        self._sweeping = sweeping
        self._tidying = tidying
        self._pauses = pauses
        self._locked_for = locked
        self._next = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with self._locked() as token:
                    self._store.token = token
                    if token:
                        await self._done(self._store.look_at_unreadable())
                        await self._done(self._sorting.begin())
                    while token:
                        await self.round()
                        await asyncio.sleep(IDLE)
            except LockLost:
                log.warning("parked.taken_over")
            except AWAY as error:
                log.warning("parked.redis_away", error=type(error).__name__)
            await asyncio.sleep(IDLE)

    async def round(self) -> None:
        """Do everything that is due. Raises LockLost, and Redis's errors if it is unreachable."""
        until = asyncio.get_running_loop().time() + SORTING
        while await self._done(self._sorting.step()) and asyncio.get_running_loop().time() < until:
            pass
        batches = await self._batches.open()
        await self._done(self._sweeping.leave_in_time(batches))
        await self._done(self._sending.gather(batches))
        batches = await self._batches.open()
        self._pauses.forget({batch.name for batch in batches})
        await self._bring_on(batches)
        lines = [batch.lines for batch in batches]
        await self._done(self._sweeping.expire(lines))
        await self._done(self._sweeping.look_again(lines))
        await self._done(self._tidying.step())

    async def _bring_on(self, batches: Sequence[BatchRecord]) -> None:
        """Process batches in turn. Those that this round does not reach, because a provider hangs, come first in the
        next."""
        began = asyncio.get_running_loop().time()
        first = self._next % len(batches) if batches else 0
        for batch in (*batches[first:], *batches[:first]):
            if asyncio.get_running_loop().time() - began > ROUND:
                break
            await self._done(self._sending.step(batch))
            await self._done(self._collecting.step(batch))
            self._next += 1

    async def _done(self, work: Awaitable[bool | None]) -> bool:
        """Run one part. If it fails, the others still run."""
        try:
            return bool(await work)
        except (LockLost, NoConnection, NoReply):  # any other OSError concerns one part: a disk, a provider
            raise
        except Exception as error:  # noqa: BLE001 - the next round is another chance
            log.error("parked.failed", error=type(error).__name__, where=place(error))
            return False

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[bytes]:
        """The lock's token while it is ours; empty if another worker has it."""
        lock = self._redis.lock(self._keys.parked_lock, timeout=self._locked_for, blocking=False)
        if not await lock.acquire():
            yield b""
            return
        renewing = asyncio.create_task(_renew(lock, self._locked_for / 5))
        try:
            yield lock.local.token
        finally:
            await stop(renewing)
            with suppress(LockError, *TROUBLE):
                await lock.release()


async def _renew(lock: Lock, every: float) -> None:
    """Renew the lock until it is lost, after which the scripts refuse."""
    while True:
        await asyncio.sleep(every)
        try:
            await lock.reacquire()
        except LockError:
            return
        except TROUBLE as error:
            log.warning("parked.lock_not_renewed", error=type(error).__name__)

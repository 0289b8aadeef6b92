"""Housekeeping: the periodic work of workers, as arq cron jobs.

`keep_house` runs on one worker at a time, the other jobs on every worker. A run continues where the last one ended:
progress is stored in Redis, and every batch is bounded.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from arq.cron import CronJob, cron
from arq.typing import WorkerCoroutine
from redis.asyncio import Redis
from redis.exceptions import LockError

from askonce.contract.keys import Keys
from askonce.store.away import AWAY
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.error_origin import place

log = structlog.get_logger()

SHARE = 1.0
"""Seconds that each part may take before the next one runs."""
RUN = 10.0
"""Seconds after which a run ends, finished or not."""
LOCKED = 20
"""Seconds after which the lock of a worker that died during its run expires."""


class Part(Protocol):
    async def run(self, seconds: float) -> bool:
        """Runs for at most this many seconds plus one batch. True: there is more to do at once."""
        ...


@dataclass(frozen=True, slots=True)
class Maintenance:
    """parts: run one after the other. relieve: bounds the queue and frees memory, for a limited time. note_use: records
    the collections that this worker uses."""

    redis: Redis
    keys: Keys
    parts: Sequence[Part]
    relieve: Callable[[float], Awaitable[None]]
    note_use: Callable[[], Awaitable[None]]
    health: PartHealth = field(default_factory=PartHealth)
    clock: Callable[[], float] = time.monotonic

    async def keep_house(self) -> None:
        """Runs all parts, unless another worker is doing so."""
        lock = self.redis.lock(self.keys.upkeep_lock, timeout=LOCKED, blocking=False)
        if not await lock.acquire():
            return
        try:
            end, parts = self.clock() + RUN, list(self.parts)
            while parts and self.clock() < end:
                part = parts.pop(0)
                if await self._run(part):
                    parts.append(part)
                await lock.reacquire()
        finally:
            with contextlib.suppress(LockError):
                await lock.release()

    async def _run(self, part: Part) -> bool:
        name = type(part).__name__
        try:
            more = await part.run(SHARE)
        except SemanticCacheDown as error:
            log.warning("upkeep.waiting", part=name, error=str(error))
        except AWAY:
            raise
        except Exception as error:  # noqa: BLE001 - one part that fails must not keep the others from running
            log.warning("upkeep.failed", part=name, error=type(error).__name__, where=place(error))
            self.health.failed(name)
        else:
            self.health.succeeded(name)
            return more
        return False

    def cron_jobs(self) -> list[CronJob]:
        return [
            cron(periodic(self.keep_house), name="keep_house", second=set(range(0, 60, 2))),
            # On every worker: taking turns would need a write, which a full Redis refuses.
            cron(periodic(lambda: self.relieve(SHARE)), name="relieve", second=set(range(60)), unique=False),
            cron(periodic(self.note_use), name="note_use", second={15, 45}, unique=False),
        ]


def periodic(work: Callable[[], Awaitable[None]]) -> WorkerCoroutine:
    """A declaration for arq's cron."""

    async def run(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:  # noqa: ARG001 - as arq calls it
        await work()

    return run

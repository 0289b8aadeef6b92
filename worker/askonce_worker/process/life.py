"""What a worker says of itself to the probes: it lives from its first moment on, and is ready once it claims jobs."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from askonce_worker.queue.arq_worker import LeasedWorker

if sys.platform != "win32":
    from askonce_worker.process.heartbeat import Beat, beating

log = structlog.get_logger()


class Life:
    """worker: once there is one."""

    def __init__(self, name: str) -> None:
        self.worker: LeasedWorker | None = None
        self._name = name

    def beat(self) -> "Beat":
        worker = self.worker
        claims = worker is not None and worker.claims
        return Beat(self._name, time.monotonic(), claims=claims, redis=worker is not None and worker.hears_redis)


@asynccontextmanager
async def signs_of_life(prefix: str, name: str) -> AsyncIterator[Life]:
    """For as long as the block runs. A worker that has no place for them works all the same, and says so."""
    life = Life(name)
    async with AsyncExitStack() as stack:
        if sys.platform != "win32":
            try:
                await stack.enter_async_context(beating(prefix, life.beat))
            except OSError as error:
                log.warning("probes.off", error=type(error).__name__, advice="mount a tmpfs at /dev/shm")
        yield life

"""What a worker tells probes: it is alive from the start, and ready once it claims jobs."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.settings import Settings

if sys.platform != "win32":
    from askonce_worker.process.heartbeat import Beat, beating, installation

log = structlog.get_logger()

MAX_FAILING = 200
"""Characters: a beat has a fixed length."""


class Life:
    """worker: None until it is created. health: that of its parts."""

    def __init__(self, name: str) -> None:
        self.worker: LeasedWorker | None = None
        self.health = PartHealth()
        self._name = name

    def beat(self) -> "Beat":
        worker = self.worker
        return Beat(
            self._name,
            time.monotonic(),
            claims=worker is not None and worker.claims,
            redis=worker is not None and worker.reaches_redis,
            failing=", ".join(self.health.failing)[:MAX_FAILING],
        )


@asynccontextmanager
async def heartbeats(settings: Settings, name: str, *, enabled: bool) -> AsyncIterator[Life]:
    """Write heartbeats while the block runs. A worker that cannot write them runs nevertheless, and logs a warning."""
    life = Life(name)
    async with AsyncExitStack() as stack:
        if enabled and sys.platform != "win32":
            whose = installation(settings.key_prefix, settings.redis_url.get_secret_value())
            try:
                await stack.enter_async_context(beating(whose, life.beat))
            except OSError as error:
                log.warning("probes.off", error=type(error).__name__, advice="mount a tmpfs at /dev/shm")
        yield life

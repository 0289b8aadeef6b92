"""One worker process: leased jobs around the wired pipeline."""

import asyncio
import gc
import os
import socket
import sys
from typing import Any

import structlog
from arq.worker import func

from askonce.chunk import FUNCTION
from askonce.keys import Keys
from askonce_worker import redis_connection, wiring
from askonce_worker.arq_worker import LeasedWorker
from askonce_worker.job import ChunkJob, split
from askonce_worker.keeper import RedisAway
from askonce_worker.redis_clock import RedisClock
from askonce_worker.settings import Settings

log = structlog.get_logger()


async def answer_chunk(ctx: dict[str, Any], payload: Any) -> None:
    """The function that arq calls."""
    jobs: ChunkJob = ctx["jobs"]
    await jobs.run(ctx["job"], payload)


def run_worker(settings: Settings) -> int:
    """Runs until told to stop. Returns the exit code."""
    # Thousands of questions wait at a time, and none of what they are made of is in cycles: collecting seldom saves a
    # third of the processor time of an exact hit.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(serve(settings))
        except RedisAway as error:
            log.error("worker.ended", reason=str(error))
            return 1
    return 0


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - it exists on these platforms alone

    return uvloop.new_event_loop


def worker_name() -> str:
    """Unique over machines and over lives of one process id."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


async def serve(settings: Settings) -> None:
    name, clock, keys = worker_name(), RedisClock(), Keys(settings.key_prefix)
    structlog.contextvars.bind_contextvars(worker=name)
    redis = redis_connection.connect(settings.redis_url.get_secret_value(), reconnects=0)
    async with wiring.service(settings, worker=name, clock=clock) as service:
        worker = LeasedWorker(
            [func(answer_chunk, name=FUNCTION)],
            redis=redis,
            keys=keys,
            clock=clock,
            worker=name,
            split=split,
            on_dead=service.jobs.give_up,
            lease=settings.lease,
            chunks=settings.chunks,
            max_tries=settings.max_tries,
            grace=settings.grace,
            cron_jobs=service.maintenance.cron_jobs(),
        )
        worker.ctx["jobs"] = service.jobs
        async with wiring.running(service.background):
            await worker.async_run()
    await redis.aclose()

"""One worker process: the wired pipeline, run by leased jobs."""

import asyncio
import gc
import os
import socket
import sys
from contextlib import AsyncExitStack
from typing import Any

import structlog
from arq.worker import func
from redis.asyncio import Redis

from askonce.contract.chunk import FUNCTION
from askonce.contract.explaining import EXPLAIN
from askonce.contract.keys import Keys
from askonce_worker.answering.chunk_job import ChunkJob, split
from askonce_worker.check.advice import chain, reason
from askonce_worker.check.preflight import Unfit, first_contact
from askonce_worker.explaining.explain_job import ExplainJob
from askonce_worker.logs.error_origin import places
from askonce_worker.process.life import Life, heartbeats
from askonce_worker.process.suspect_process import SuspectProcess
from askonce_worker.queue.arq_worker import LeasedWorker, LeaseLoopLost
from askonce_worker.queue.lease_keeper import RedisAway
from askonce_worker.queue.leased_job import Unworkable
from askonce_worker.queue.tries import SUSPECTS
from askonce_worker.queue.worker_options import JobHooks, WorkerLimits
from askonce_worker.redis.clock import RedisClock
from askonce_worker.redis.connection import connect_redis
from askonce_worker.settings import Settings
from askonce_worker.telemetry import trace_export
from askonce_worker.telemetry.metrics_server import MetricsPortError
from askonce_worker.wiring import assemble
from askonce_worker.wiring.background import running

log = structlog.get_logger()


async def answer_chunk(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """The function that arq calls, with the job's unchecked arguments."""
    jobs: ChunkJob = ctx["jobs"]
    if len(args) != 1 or kwargs:
        raise Unworkable("it is not a chunk")
    await jobs.run(ctx["job"], args[0], ctx["leave_slot"])


async def explain_question(ctx: dict[str, Any], *args: Any, **kwargs: Any) -> None:
    """Like `answer_chunk`, for explain requests."""
    explaining: ExplainJob = ctx["explaining"]
    if len(args) != 1 or kwargs:
        raise Unworkable("it is not a question to explain")
    await explaining.run(ctx["job"], args[0])


def run_worker(settings: Settings, *, suspects_only: bool = False) -> int:
    """Run until stopped.

    Args:
        settings: of this process.
        suspects_only: run only jobs whose workers died, one at a time, and end when there are no more.

    Returns:
        The exit code.
    """
    # Thousands of questions wait at a time, and their objects form no cycles: collecting rarely saves a third of the
    # CPU time of an exact hit.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    name = f"{SUSPECTS if suspects_only else ''}{worker_name()}"
    structlog.contextvars.bind_contextvars(worker=name)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings, name, suspects_only=suspects_only))
    except MetricsPortError as error:
        return _ended(str(error), code=2)
    except Exception as error:  # noqa: BLE001 - the last event says why, and quotes no prompt
        message = next((str(each) for each in chain(error) if isinstance(each, SELF_EXPLANATORY)), None)
        return _ended(message or f"{reason(error)} at {places(error)}", code=1)
    return 0


SELF_EXPLANATORY = (RedisAway, Unfit, LeaseLoopLost)
"""Errors whose messages are written for the log."""


def _ended(why: str, *, code: int) -> int:
    log.error("worker.ended", reason=why, code=code)
    return code


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not available on Windows

    return uvloop.new_event_loop


def worker_name() -> str:
    """Unique across machines, and across processes that reuse a process id."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"


async def serve(settings: Settings, name: str, *, suspects_only: bool) -> None:
    redis = connect_redis(settings.redis_url.get_secret_value(), reconnects=0)
    async with trace_export.exporting(), heartbeats(settings, name, enabled=not suspects_only) as life, redis:
        await first_contact(redis, patience=settings.redis_away_limit)
        await _work(settings, redis, life, name, suspects_only=suspects_only)


async def _work(settings: Settings, redis: Redis, life: Life, name: str, *, suspects_only: bool) -> None:
    clock, keys = RedisClock(), Keys(settings.key_prefix)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(assemble.service(settings, life.health, worker=name, clock=clock))
        suspects = SuspectProcess(settings.process_index)
        stack.push_async_callback(suspects.aclose)
        worker = LeasedWorker(
            [func(answer_chunk, name=FUNCTION), func(explain_question, name=EXPLAIN)],
            redis=redis,
            keys=keys,
            clock=clock,
            worker=name,
            hooks=JobHooks(
                split, service.jobs.give_up, service.watch.lease_lost, suspects.start, service.jobs.position
            ),
            health=life.health,
            lease=settings.lease,
            limits=WorkerLimits(settings.chunks, settings.max_tries, settings.grace, settings.redis_away_limit),
            suspects_only=suspects_only,
            cron_jobs=() if suspects_only else service.cron_jobs(),
        )
        worker.ctx["jobs"], worker.ctx["explaining"] = service.jobs, service.explaining
        life.worker = worker
        await stack.enter_async_context(running(service.background, life.health))
        await worker.async_run()

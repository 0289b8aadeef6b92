"""streaq, on coredis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import coredis
from jobs import AT_ONCE, Count, serve, work
from peer import OPTIONS
from streaq import Worker

coredis.Config.optimized = True  # as in its own benchmarks
worker = Worker(redis_url=OPTIONS["redis_url"], queue_name=OPTIONS["queue"], concurrency=AT_ONCE)
done = Count() if "jobs" in OPTIONS else None


@worker.task
async def noop() -> None:
    if done:
        done()


class Streaq:
    async def enqueue(self, count: int) -> None:
        await worker.enqueue_many([noop.enqueue() for _ in range(count)])

    async def round_trip(self) -> None:
        task = await noop.enqueue()
        await task.result(timeout=60)


@asynccontextmanager
async def opened() -> AsyncIterator[Streaq]:
    async with worker:
        yield Streaq()


if "jobs" in OPTIONS:
    work(worker.run_async)
else:
    serve(opened(), "streaq")

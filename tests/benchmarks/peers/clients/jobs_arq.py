"""Stock arq, with as many jobs at once as it will have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker
from jobs import POLL, Count, at_once, serve, work
from peer import OPTIONS

REDIS = RedisSettings.from_dsn(OPTIONS["redis_url"])


class Arq:
    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def enqueue(self, count: int) -> None:
        await at_once(lambda: self._redis.enqueue_job("noop"), count)

    async def round_trip(self) -> None:
        job = await self._redis.enqueue_job("noop")
        await job.result(poll_delay=POLL)


@asynccontextmanager
async def opened() -> AsyncIterator[Arq]:
    redis = await create_pool(REDIS, default_queue_name=OPTIONS["queue"])
    yield Arq(redis)
    await redis.aclose()


async def worker() -> None:
    done = Count()

    async def noop(ctx: object) -> None:
        done()

    noop.__qualname__ = "noop"
    await Worker([noop], queue_name=OPTIONS["queue"], redis_settings=REDIS, max_jobs=500).async_run()


if "jobs" in OPTIONS:
    work(worker)
else:
    serve(opened(), "arq")

"""askonce's queue: its leased worker with jobs that do nothing. Its round trip is more than that of others: a question
of a running worker, submitted, found in the exact cache, published and fetched, since it has no jobs but questions."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jobs import Count, serve, work
from peer import OPTIONS
from redis.asyncio import Redis

sys.path[1:1] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3])]

from bench_jobs import enqueue

from askonce import Client
from askonce.contract.keys import Keys
from support.leased_worker import leased

NOOPS = OPTIONS["queue"]


class AskOnce:
    def __init__(self, client: Client, redis: Redis) -> None:
        self._client, self._redis = client, redis

    async def enqueue(self, count: int) -> None:
        if count:
            await enqueue(self._redis, Keys(NOOPS), "noop", count)

    async def round_trip(self) -> None:
        job = await self._client.submit("What is asked again and again?")
        await self._client.result(job)


@asynccontextmanager
async def opened() -> AsyncIterator[AskOnce]:
    url = OPTIONS["redis_url"]
    async with Client(url, key_prefix=OPTIONS["name"], model="m") as client, Redis.from_url(url) as redis:
        await client.ask("What is asked again and again?")
        yield AskOnce(client, redis)


async def worker() -> None:
    done = Count()

    async def noop(ctx: dict[str, Any], chunk: Any) -> None:
        done()

    noop.__qualname__ = "noop"
    await leased({"url": OPTIONS["redis_url"], "prefix": NOOPS}, noop)


if "jobs" in OPTIONS:
    work(worker)
else:
    serve(opened(), "askonce")

"""saq on Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import saq
from jobs import AT_ONCE, POLL, Count, at_once, serve, work
from peer import OPTIONS


def queue() -> saq.Queue:
    return saq.Queue.from_url(OPTIONS["redis_url"], name=OPTIONS["queue"])


class Saq:
    def __init__(self) -> None:
        self._queue = queue()

    async def enqueue(self, count: int) -> None:
        await at_once(lambda: self._queue.enqueue("noop"), count)

    async def round_trip(self) -> None:
        await self._queue.apply("noop", poll_interval=POLL)


@asynccontextmanager
async def opened() -> AsyncIterator[Saq]:
    yield Saq()


async def worker() -> None:
    done = Count()

    async def noop(ctx: object) -> None:
        done()

    await saq.Worker(queue(), [("noop", noop)], concurrency=AT_ONCE).start()


if "jobs" in OPTIONS:
    work(worker)
else:
    serve(opened(), "saq")

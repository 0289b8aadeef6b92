"""What the processes of a queue library do: one enqueues jobs that do nothing and waits for results, one works."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Protocol

import uvloop
from peer import OPTIONS, Line

AT_ONCE = 64
POLL = 0.005
"""Seconds between two looks for a result, of libraries that poll: with their half a second it would be that."""


class Queue(Protocol):
    async def enqueue(self, count: int) -> None: ...
    async def round_trip(self) -> None: ...


class Count:
    """Of the jobs done: says how many a second, from the first tenth on, so that starting up is not counted."""

    def __init__(self) -> None:
        self._line = Line()
        self._jobs, self._done, self._began = OPTIONS["jobs"], 0, 0.0

    def __call__(self) -> None:
        self._done += 1
        if self._done == self._jobs // 10:
            self._began = time.monotonic()
        elif self._done == self._jobs:
            counted = self._jobs - self._jobs // 10
            self._line.say(per_second=counted / (time.monotonic() - self._began))


def work(run: Callable[[], Awaitable[None]]) -> None:
    """Until the runner is gone."""

    def gone() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=gone, daemon=True).start()
    uvloop.run(run())


async def _serve(opened: AbstractAsyncContextManager[Queue], package: str) -> None:
    line = Line()
    async with opened as queue:
        line.say(versions={package: version(package)})
        async for order in line.orders():
            await queue.enqueue(order.get("enqueue", 0))
            ms = []
            for _ in range(order.get("round_trips", 0)):
                began = time.perf_counter()
                await queue.round_trip()
                ms.append((time.perf_counter() - began) * 1000)
            line.say(ms=ms)


def serve(opened: AbstractAsyncContextManager[Queue], package: str) -> None:
    """`enqueue` and `round_trips` until the runner closes the line."""
    uvloop.run(_serve(opened, package))


async def at_once(make: Callable[[], Awaitable[object]], count: int) -> None:
    """So many calls, AT_ONCE of them under way: for libraries that enqueue one by one."""
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            await make()

    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))

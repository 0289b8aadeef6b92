"""A client that hangs up abandons only its wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from askonce.serve.refusals import Refused
from askonce.tasks import stop

T = TypeVar("T")
GONE = 499
"""Nobody receives this status, but proxies log it."""
AT_ONCE = 0.05
"""Seconds within which a hit is ready. Only then is the client watched, because watching takes longer than a hit."""


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work. The request must have been read completely. Raises Refused if the client hangs up
    first."""
    return (await begun(request, work, seconds=None)).result()


async def begun(request: Request, work: Coroutine[Any, Any, T], *, seconds: float | None) -> "asyncio.Task[T]":
    """Like `while_connected`, but returns the task, done or still running after this many seconds. The caller owns
    it."""
    task = asyncio.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=AT_ONCE)
        if not done:
            await _unless_gone(request, task, seconds)
    except BaseException:
        await stop(task)
        raise
    return task


async def _unless_gone(request: Request, task: "asyncio.Task[Any]", seconds: float | None) -> None:
    gone = asyncio.create_task(_until_gone(request))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and not task.done():
            raise Refused(GONE, "the client is gone")
    finally:
        await stop(gone)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

"""What the process of every rival does: it takes orders and gives replies, each a line of JSON.

The standard library alone, since each rival has an environment of its own; uvloop is in all of them.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any, Protocol

import uvloop

OPTIONS: dict[str, Any] = json.loads(sys.argv[1])
"""redis_url, base_url, name (of whatever is made: indexes, queues), threshold (a cosine), directory."""


class Line:
    """To the runner. What a library prints goes to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def say(self, **reply: Any) -> None:
        self._out.write(json.dumps(reply) + "\n")
        self._out.flush()

    async def orders(self) -> AsyncIterator[dict[str, Any]]:
        """Until the runner closes the line, or is gone."""
        while order := await asyncio.to_thread(sys.stdin.readline):
            yield json.loads(order)


class Peer(Protocol):
    async def ask(self, text: str) -> str: ...


async def one_by_one(ask: Callable[[str], Awaitable[str]], texts: list[str], at_once: int) -> dict[str, list[Any]]:
    """`at_once` callers, each with one question under way. The answers and their milliseconds, in order."""
    answers: list[str] = [""] * len(texts)
    ms = [0.0] * len(texts)
    left = iter(enumerate(texts))

    async def caller() -> None:
        for number, text in left:
            began = time.perf_counter()
            answers[number] = await ask(text)
            ms[number] = (time.perf_counter() - began) * 1000

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return {"answers": answers, "ms": ms}


async def _serve(opened: AbstractAsyncContextManager[Peer], packages: tuple[str, ...]) -> None:
    line = Line()
    async with opened as peer:
        line.say(versions={package: version(package) for package in packages})
        async for order in line.orders():
            texts, at_once = order["texts"], order["at_once"]
            if hasattr(peer, "prepare"):
                await peer.prepare(order["what"], texts)
            began = time.monotonic()
            if at_once > 1 and hasattr(peer, "ask_many"):
                reply = {"answers": await peer.ask_many(texts, at_once), "ms": []}
            else:
                reply = await one_by_one(peer.ask, texts, at_once)
            line.say(began=began, ended=time.monotonic(), **reply)


def serve(opened: AbstractAsyncContextManager[Peer], *packages: str) -> None:
    """Answers questions until the runner closes the line. packages: whose versions are told.

    `prepare(what, texts)` of a peer is not measured. `ask_many(texts, at_once)` is its own way with many.
    """
    uvloop.run(_serve(opened, packages))

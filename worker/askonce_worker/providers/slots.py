"""The places at the LLM that one worker has, some of them kept for the interactive lane."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class LLMSlots:
    """At most `total` at once; `bulk` never takes the last `reserved`, so an `ask` never waits behind a backlog."""

    def __init__(self, total: int, reserved: int) -> None:
        self._total = asyncio.Semaphore(total)
        self._bulk = asyncio.Semaphore(max(1, total - reserved))

    @asynccontextmanager
    async def __call__(self, lane: str) -> AsyncIterator[None]:
        if lane == "interactive":
            async with self._total:
                yield
        else:
            async with self._bulk, self._total:
                yield

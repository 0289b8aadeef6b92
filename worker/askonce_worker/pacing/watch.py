"""Probes a silent server, to tell a slow one from an unreachable one."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from askonce_worker.pacing.line import Line
from askonce_worker.pacing.trouble import Undelivered
from askonce_worker.pacing.waiting import Found, Item

log = structlog.get_logger(__name__)

EVERY = 1.0
"""Seconds of silence before a probe, and between probes of an unreachable server."""


class Watch:
    """check: probes, within a number of seconds. Returns on any response; raises Undelivered.

    silence: seconds after which one that says nothing counts as unreachable.
    """

    def __init__(self, line: Line[Item, Found], check: Callable[[float], Awaitable[None]], *, silence: float) -> None:
        self._line = line
        self._check = check
        self._silence = silence
        self._task: asyncio.Task[None] | None = None
        line.health.is_checked = True

    def start(self) -> None:
        """Probes until nothing is in flight and the server is reachable."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        clock, health = asyncio.get_running_loop().time, self._line.health
        await asyncio.sleep(EVERY)
        while True:
            since = self._line.silent_since
            if health.unreachable:
                await self._ask(self._silence, clock())
            elif since is None:
                return
            elif clock() - since >= EVERY:
                await self._ask(max(EVERY, since + self._silence - clock()), since)
            await asyncio.sleep(EVERY)

    async def _ask(self, seconds: float, since: float) -> None:
        """since: when the silence began."""
        was_away, asked = self._line.health.unreachable, asyncio.get_running_loop().time()
        try:
            await self._check(seconds)
        except Undelivered as error:
            now = asyncio.get_running_loop().time()
            if not was_away:
                log.warning("server.silent", seconds=round(now - since, 1), kind=error.trouble.value)
            self._line.health.failed(began=since, now=now, pause=EVERY, unreachable=True)
            return
        if was_away:
            log.info("server.back")
        self._line.back(asyncio.get_running_loop().time() - asked)

"""Warns if questions wait and no worker is alive: once, and again after workers have come and gone."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from askonce.errors import AnswerTimeout, AskOnceError
from askonce.tasks import stop

log = logging.getLogger("askonce")

NOTICE = 2.0
"""Seconds to wait for an answer before counting the workers."""
AGAIN = 5.0
"""Seconds between counts while there is no answer."""
COUNTING = 1.0
"""Seconds that counting may take while a caller waits."""
NO_WORKERS = "0 workers alive: start `askonce-worker run`"


Count = Callable[[], Awaitable[int]]
"""How many workers are alive."""


class Attendance:
    def __init__(self, count: Count) -> None:
        self._count = count
        self._said = False
        self._next = 0.0
        self._counting: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While the block waits for an answer."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            timer = loop.call_later(AGAIN, look)
            if loop.time() >= self._next:
                self._next = loop.time() + NOTICE
                self._start()

        timer = loop.call_later(NOTICE, look)
        try:
            yield
        finally:
            timer.cancel()

    async def late(self, job_id: str) -> AnswerTimeout:
        """The error for a caller that waited for this job in vain."""
        reason = await no_workers(self._count)
        return AnswerTimeout(job_id, f"no answer yet for job {job_id}: {reason}" if reason else None)

    async def aclose(self) -> None:
        if self._counting is not None:
            await stop(self._counting)

    def _start(self) -> None:
        if self._counting is None:
            self._counting = asyncio.create_task(self._look())
            self._counting.add_done_callback(self._looked)

    def _looked(self, _: "asyncio.Task[None]") -> None:
        self._counting = None

    async def _look(self) -> None:
        missing = await no_workers(self._count)
        if missing and not self._said:
            log.warning(missing)
        self._said = bool(missing)


async def no_workers(count: Count) -> str:
    """What to add to a timeout message: `NO_WORKERS`, or '' if there are some, or that is unknown."""
    with suppress(AskOnceError, TimeoutError):
        async with asyncio.timeout(COUNTING):
            return "" if await count() else NO_WORKERS
    return ""

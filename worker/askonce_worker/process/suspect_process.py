"""A child process for suspects: jobs whose workers died twice while they ran. If it dies too, it takes no other job
with it."""

import asyncio
import os
import sys
import time

import structlog

from askonce_worker.process.parent_watch import PROCESS_INDEX
from askonce_worker.process.supervisor import COMMAND

log = structlog.get_logger()

ARGUMENT = "--suspects"
HEALTHY_AFTER = 5.0
LONGEST_PAUSE = 30.0
STOP_TIMEOUT = 5.0


class SuspectProcess:
    """At most one at a time. It ends when no suspects are left, or when its parent does."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0

    def start(self) -> None:
        """Start one, unless one is running or the last one has just failed."""
        if (self._task is None or self._task.done()) and time.monotonic() >= self._not_before:
            self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Terminate it, and wait a few seconds for it to end."""
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_TIMEOUT)
            self._task.cancel()

    async def _run(self) -> None:
        began = time.monotonic()
        try:
            self._child = await asyncio.create_subprocess_exec(
                *COMMAND,
                ARGUMENT,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, PROCESS_INDEX: str(self._index), "ASKONCE_METRICS_PORT": "0"},
                start_new_session=sys.platform != "win32",
            )
            code = await self._child.wait()
        except OSError as error:
            log.error("suspects.not_started", error=type(error).__name__, code=error.errno)
            code = -1
        if code != 0:
            log.warning("suspects.died", code=code)
        failed = code != 0 and time.monotonic() - began < HEALTHY_AFTER
        self._failures = self._failures + 1 if failed else 0
        if failed:
            self._not_before = time.monotonic() + min(LONGEST_PAUSE, 0.5 * 2**self._failures)

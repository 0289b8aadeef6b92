"""`askonce-worker run --processes N`: starts N workers, replaces those that die, and stops them when it ends.

A worker does not outlive its supervisor: `parent_watch` sees to that.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

import structlog

from askonce_worker.process.parent_watch import PROCESS_INDEX

log = structlog.get_logger()

COMMAND = (sys.executable, "-m", "askonce_worker", "run")
USAGE_ERROR = 2
HEALTHY_AFTER = 60.0
LONGEST_PAUSE = 30.0


def supervise(processes: int) -> int:
    """Run this many workers until stopped. Returns the exit code."""
    return asyncio.run(Supervisor(processes).run())


class Supervisor:
    """command: starts one worker. Its environment is this process's plus the worker's index, from 0."""

    def __init__(self, processes: int, command: Sequence[str] = COMMAND, *, first_pause: float = 0.5) -> None:
        self._count = processes
        self._command = command
        self._first_pause = first_pause
        self._children: dict[int, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._code = 0

    async def run(self) -> int:
        """Run until SIGTERM or SIGINT, or until a worker rejects its settings. Returns the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        log.info("supervisor.started", processes=self._count)
        try:
            await asyncio.gather(*(self._keep(index) for index in range(self._count)))
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        log.info("supervisor.stopped", code=self._code)
        return self._code

    def _stop(self) -> None:
        """Pass every signal on: a second one ends a worker at once."""
        self._stopping.set()
        for child in self._children.values():
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)

    async def _keep(self, index: int) -> None:
        deaths = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_one(index)
            if self._stopping.is_set():
                return
            if code == USAGE_ERROR:
                self._code = code
                self._stop()
                return
            deaths = 0 if time.monotonic() - began > HEALTHY_AFTER else deaths + 1
            pause = min(LONGEST_PAUSE, self._first_pause * 2 ** max(0, deaths - 1))
            log.warning("worker.died", index=index, code=code, restart_in=pause)
            await self._pause(pause)

    async def _run_one(self, index: int) -> int:
        """Returns its exit code, or -1 if it could not be started."""
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                env={**os.environ, PROCESS_INDEX: str(index)},
                start_new_session=True,  # so that Ctrl-C reaches the workers once, through us
            )
        except OSError as error:
            log.error("worker.not_started", index=index, error=type(error).__name__, code=error.errno)
            return -1
        self._children[index] = child
        if self._stopping.is_set():
            child.send_signal(signal.SIGTERM)
        return await child.wait()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

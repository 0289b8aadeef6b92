"""The demo's worker: a child process that ends with the demo."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from askonce.tasks import stop
from askonce_worker.process.parent_watch import PROCESS_INDEX
from askonce_worker.process.supervisor import COMMAND

STOP_TIMEOUT = 10.0
LEAVE_AT_ONCE = {"ASKONCE_GRACE": "1", "ASKONCE_REDIS_AWAY_LIMIT": "5"}
"""Its Redis and its LLM end together with the demo, so there is nothing to wait for."""
T = TypeVar("T")


class WorkerDied(Exception):
    """The worker ended unexpectedly. The message has its last line of output."""


@contextmanager
def worker(environment: Mapping[str, str], log: Path | None) -> Iterator[Callable[[], None]]:
    """Run a worker, and end it with the context. If the demo is killed, the worker sees its standard input close.

    Yields a function that raises WorkerDied once the worker has ended.
    """
    with log.open("w+b") if log else TemporaryFile() as output:
        process = subprocess.Popen(
            COMMAND,
            env={**os.environ, **environment, **LEAVE_AT_ONCE, PROCESS_INDEX: "0"},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

        def check() -> None:
            if process.poll() is not None:
                raise WorkerDied(f"the worker ended with {process.returncode}: {_last_line(output)}")

        try:
            yield check
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def while_all_live(work: Coroutine[Any, Any, T], *checks: Callable[[], None]) -> T:
    """The result of the work, unless a check raises first."""
    working, watching = asyncio.create_task(work), asyncio.create_task(_watch(checks))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            watching.result()
        return working.result()
    finally:
        await stop(working, watching)


async def _watch(checks: tuple[Callable[[], None], ...]) -> None:
    while True:
        for check in checks:
            check()
        await asyncio.sleep(0.2)


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")

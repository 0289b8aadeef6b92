"""The demo's worker: a process of its own that ends with the demo, and whose end the demo does not sit out."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from askonce.tasks import stop
from askonce_worker.process.supervisor import COMMAND, PROCESS_INDEX

STOP_TIMEOUT = 10.0
T = TypeVar("T")


class WorkerDied(Exception):
    """The message has its last words."""


@contextmanager
def worker(environment: Mapping[str, str], log: Path | None) -> Iterator[Callable[[], None]]:
    """Yields what raises WorkerDied once it has ended. Killed with the demo: its standard input closes then."""
    with log.open("w+b") if log else TemporaryFile() as output:
        process = subprocess.Popen(
            COMMAND,
            env={**os.environ, **environment, PROCESS_INDEX: "0"},
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
    """What the work comes to, unless a check raises first."""
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
    return next((line.strip() for line in reversed(lines) if line.strip()), "without a word")

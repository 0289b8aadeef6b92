"""The processes of one rival: a client in an environment of its own, asked over a line of JSON."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CLIENTS = Path(__file__).parent / "clients"
ENVIRONMENTS = Path(sys.prefix) / "peers"
LONGEST_LINE = 2**26


def python(environment: str) -> str:
    """Of a rival's environment; '' is that of the project."""
    return str(ENVIRONMENTS / environment / "bin" / "python") if environment else sys.executable


class Process:
    """One client's process: an order is a line, and so is its reply."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process, self._log = process, log

    @classmethod
    async def start(cls, environment: str, script: str, log: Path, **options: Any) -> Self:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                python(environment), str(CLIENTS / f"{script}.py"), json.dumps(options),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
                limit=LONGEST_LINE, cwd=log.parent, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        return cls(process, log)

    async def order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.said()

    async def said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        if not line:
            raise RuntimeError(f"a client ended: {self._log.read_text()[-3000:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@dataclass(frozen=True)
class Asked:
    seconds: float
    answers: list[str]
    ms: list[float]
    """Of each question, where they were asked one by one."""


class Asker:
    """One rival: questions are spread over its processes, and so are the callers."""

    def __init__(self, processes: list[Process], versions: dict[str, str]) -> None:
        self._processes, self.versions = processes, versions

    @property
    def processes(self) -> int:
        return len(self._processes)

    async def ask(self, what: str, texts: list[str], at_once: int) -> Asked:
        used = self._processes[: min(at_once, self.processes)]
        orders = [
            process.order(what=what, texts=texts[at :: len(used)], at_once=at_once // len(used))
            for at, process in enumerate(used)
        ]
        replies = await asyncio.gather(*orders)
        answers = [""] * len(texts)
        for at, reply in enumerate(replies):
            answers[at :: len(used)] = reply["answers"]
        seconds = max(reply["ended"] for reply in replies) - min(reply["began"] for reply in replies)
        return Asked(seconds, answers, [ms for reply in replies for ms in reply["ms"]])


@asynccontextmanager
async def asker(environment: str, script: str, directory: Path, processes: int, **options: Any) -> AsyncIterator[Asker]:
    log = directory / f"{options['name']}.log"
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(processes):
            process = await Process.start(environment, script, log, directory=str(directory), **options)
            stack.push_async_callback(process.stop)
            started.append(process)
            versions = (await process.said())["versions"]
        yield Asker(started, versions)

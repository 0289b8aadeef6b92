"""Real workers as child processes, with the environment that a test gives them."""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from redis.asyncio import Connection, ConnectionPool, Redis

from askonce.contract.keys import Keys
from askonce.store.redis_url import connection_options
from support.starting import Process, start_module


async def until(condition, *, seconds: float = 60.0, what: str = "the condition"):
    """Waits for what `condition()` returns to be true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        await asyncio.sleep(0.02)


class WorkerProcess:
    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, then the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            return await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise AssertionError(f"the worker did not stop within {seconds} s: {self.tail()}") from None

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text().splitlines()[-lines:])


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of askonce's, and with these."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ASKONCE_", "OPENAI_"))}
    return {**kept, "ASKONCE_LOG_FORMAT": "json", **{k: str(v) for k, v in settings.items()}}


@contextlib.asynccontextmanager
async def workers(count: int, settings: Mapping[str, str], *arguments: str) -> AsyncIterator[list[WorkerProcess]]:
    """`count` workers, ready. Whatever is left of them at the end is killed."""
    with tempfile.TemporaryDirectory() as directory:
        running = [await start_worker(settings, Path(directory) / f"worker-{i}.log", *arguments) for i in range(count)]
        try:
            await all_alive(settings, running, count)
            yield running
        finally:
            for worker in running:
                await worker.kill()


async def all_alive(settings: Mapping[str, str], running: list[WorkerProcess], count: int) -> None:
    redis = redis_of(settings["ASKONCE_REDIS_URL"])
    keys = Keys(settings.get("ASKONCE_KEY_PREFIX", "askonce"))

    async def alive() -> bool:
        for worker in running:
            assert worker.process.returncode is None, f"a worker ended: {worker.tail()}"
        return await redis.zcard(keys.workers) >= count

    try:
        await until(alive, seconds=120, what="the workers' first sign of life")
    finally:
        await redis.aclose()


def redis_of(url: str) -> Redis:
    options = connection_options(url)
    return Redis.from_pool(ConnectionPool(options.pop("connection_class", Connection), **options))


async def start_worker(settings: Mapping[str, str], log: Path, *arguments: str) -> WorkerProcess:
    files = {"directory": log.parent, "output": log, "errors": log}
    process = await start_module("askonce_worker", "run", *arguments, environment=environment(settings), **files)
    return WorkerProcess(process, log)

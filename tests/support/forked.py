"""Processes that start at once: forked from one that has imported what workers and front doors import.

Each is a process of its own, with its own environment, output and signals, and runs its module as `python -m` does. It
takes a tenth of a second instead of two seconds of processor time. How a start itself goes is for tests that run the
commands.
"""

import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "GRPC_ENABLE_FORK_SUPPORT": "0"}
"""Where processes are forked, no other thread may run."""


class ForkServer:
    """`support.fork_server` as a child process."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.fork_server", str(number)],
                cwd=TESTS,
                env={**os.environ, **ONE_THREAD},
                stdin=subprocess.DEVNULL,
                pass_fds=[number],
            )
        self._replies = self._socket.makefile("rb")
        self._turn = threading.Lock()

    def ask(self, **order: Any) -> Any:
        with self._turn:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
            return json.loads(self._replies.readline())

    def close(self) -> None:
        self._replies.close()
        self._socket.close()
        self._process.wait()


@functools.cache
def fork_server() -> ForkServer:
    """One for all tests that run in this process."""
    server = ForkServer()
    atexit.register(server.close)
    return server


class ForkedProcess:
    """With the face of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        if self._code is None:
            self._code = fork_server().ask(ended=self.pid)
        return self._code

    async def wait(self) -> int:
        while (code := self.returncode) is None:
            await asyncio.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def fork(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    output: Path,
    errors: Path | None,
) -> ForkedProcess:
    """As `support.starting.start_module`."""
    for path in filter(None, (output, errors)):
        path.touch()
    order = {
        "module": module,
        "arguments": arguments,
        "environment": environment,
        "directory": str(directory),
        "output": str(output),
        "errors": None if errors is None else str(errors),
    }
    # In a thread: the first one waits until the server has imported everything.
    return ForkedProcess(await asyncio.to_thread(lambda: fork_server().ask(**order)))

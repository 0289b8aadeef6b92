"""Shared by all child processes of the stack: each ends with its parent, and locks its directory."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import IO

if sys.platform != "win32":
    import fcntl

LOCK_PATIENCE = 6.0
"""Seconds to wait for a predecessor that is still stopping."""
GRACE = 2.5
"""Seconds for a server to finish: its append-only file has to reach the disk."""


def wait_for_parent() -> None:
    """Block until the parent closes our stdin or dies: the pipe closes even on SIGKILL."""
    while os.read(0, 4096):
        pass


def run_server(command: Sequence[str]) -> int:
    """Run the server and return its exit code. It would outlive us, so it is terminated when our parent dies."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    Thread(target=_stop_with_parent, args=(server,), daemon=True).start()
    return server.wait()


def _stop_with_parent(server: subprocess.Popen[bytes]) -> None:
    wait_for_parent()
    server.terminate()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()


@contextmanager
def owned_directory(path: Path | None) -> Iterator[Path]:
    """The directory, locked for this process. Without a path, a temporary one that is removed at the end.

    Exits with a message if another process uses the directory.
    """
    if path is None:
        with TemporaryDirectory(prefix="askonce-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary)
        return
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as lock:
        if not _locked(lock):
            sys.exit(f"{path} is in use by another process")
        yield path


def _locked(lock: IO[str]) -> bool:
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            _lock(lock)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True


def _lock(lock: IO[str]) -> None:
    if sys.platform != "win32":
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

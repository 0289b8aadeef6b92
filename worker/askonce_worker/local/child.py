"""What every child process of the stack does: it ends when its parent does, and its directory is its own."""

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
"""Seconds in which a server may end what it does: an append-only file reaches the disk."""


def wait_for_parent() -> None:
    """Return when the parent closes our stdin, or is gone: a pipe tells of a SIGKILL too."""
    while os.read(0, 4096):
        pass


def run_server(command: Sequence[str]) -> int:
    """Its exit code, when it has ended. It watches no stdin and would outlive us, so it is ended when our parent is."""
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
    """The directory, locked for this process; a temporary one, removed at the end, where none is given.

    Ends the process with a message when another one keeps its data there.
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

"""What every child process of the stack does: it ends when its parent does, and its directory is its own."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

if sys.platform != "win32":
    import fcntl

LOCK_PATIENCE = 6.0
"""Seconds to wait for a predecessor that is still stopping."""


def wait_for_parent() -> None:
    """Return when the parent closes our stdin, or is gone: a pipe tells of a SIGKILL too."""
    while os.read(0, 4096):
        pass


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

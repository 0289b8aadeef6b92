"""A worker ends when the process that started it is gone, even if that process was SIGKILLed.

Its standard input is the read end of a pipe that closes with the parent. (This works wherever there are pipes;
PR_SET_PDEATHSIG exists on Linux only, and is tied to the thread that started the child.) This module imports nothing
slow, because a worker starts to watch before it imports the rest.
"""

import os
import signal
import stat
import threading
import time
from collections.abc import Mapping

PROCESS_INDEX = "ASKONCE_PROCESS_INDEX"
"""Set by a parent so that its child watches it."""
ORPHAN_GRACE = 10.0
"""Seconds for running jobs to end once the parent is gone. What they need, such as Redis, may be gone with it."""


def end_with_parent(environ: Mapping[str, str] = os.environ) -> None:
    """Send SIGTERM to this process once its parent is gone, and again a little later.

    Does nothing in a process that neither a supervisor nor the demo started.
    """
    if PROCESS_INDEX in environ and _is_pipe(0):
        threading.Thread(target=_watch_stdin, name="parent-watch", daemon=True).start()


def _is_pipe(descriptor: int) -> bool:
    """Also True for a socket: asyncio connects a child by a socket pair."""
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _watch_stdin() -> None:
    try:
        while os.read(0, 1024):
            pass
    except OSError:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_GRACE)
    os.kill(os.getpid(), signal.SIGTERM)

"""Ends a server process when its parent ends, however that happens."""

import asyncio
import os
import signal

EVERY = 1.0
"""Seconds between two looks."""


async def end_with_parent() -> None:
    """Stops the process once its parent is no longer the original one."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(EVERY)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return

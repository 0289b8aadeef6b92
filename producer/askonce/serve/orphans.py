"""Ends a server process when its parent ends, however that happens."""

import asyncio
import os
import signal

EVERY = 1.0
"""Seconds between checks."""


async def end_with_parent() -> None:
    """Stop this process once its original parent is gone."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(EVERY)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return

"""A process of the server ends with the one that started it, however that ended."""

import asyncio
import os
import signal

EVERY = 1.0
"""Seconds between two looks."""


async def end_with_parent() -> None:
    """Tells its own process to stop once its parent is another one than at the start."""
    parent = os.getppid()
    while True:
        await asyncio.sleep(EVERY)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return

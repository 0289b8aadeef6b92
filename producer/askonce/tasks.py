"""Ending tasks reliably."""

import asyncio
from typing import Any

AGAIN = 0.1
"""Seconds after which a task that still runs is cancelled again."""


async def stop(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks, and returns once all have ended, with or without an error.

    Once may not be enough: redis-py looks for stray bytes under a timeout of nought before each command, and a
    cancellation that arrives in that moment is taken for the timeout.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()  # so that asyncio does not report it as never retrieved

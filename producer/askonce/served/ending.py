"""Ends tasks that have something to write first."""

import asyncio
from typing import Any

from askonce.tasks import stop

PATIENCE = 15.0
"""Seconds."""


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels tasks, and again those that take too long to end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    await stop(*tasks)

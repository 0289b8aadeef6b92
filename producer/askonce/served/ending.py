"""Ends tasks that have something to write first."""

import asyncio
from typing import Any

from askonce.tasks import stop

PATIENCE = 15.0
"""Seconds."""


async def ended(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel the tasks, and cancel again those that have not ended in time."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)
    await stop(*tasks)

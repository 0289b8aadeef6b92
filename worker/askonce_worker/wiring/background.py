"""Background tasks that run alongside the jobs until the worker ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog

from askonce.tasks import stop
from askonce_worker.health.parts import PartHealth
from askonce_worker.logs.error_origin import place

log = structlog.get_logger()

HEALTHY_AFTER = 30.0
"""Seconds after which a background task counts as healthy again."""
BACKGROUND_PAUSE = 5.0
"""Seconds before a failed background task is restarted."""


Background = Mapping[str, Callable[[], Coroutine[Any, Any, None]]]
"""Background tasks, by the names under which probes show them."""


@asynccontextmanager
async def running(background: Background, health: PartHealth) -> AsyncIterator[None]:
    """Runs these tasks during the block, and ends them with it."""
    tasks = [asyncio.create_task(_keep_running(name, run, health)) for name, run in background.items()]
    try:
        yield
    finally:
        await stop(*tasks)


async def _keep_running(name: str, run: Callable[[], Coroutine[Any, Any, None]], health: PartHealth) -> None:
    """Restarts a task that fails: a worker without its outbox would only seem alive."""
    while True:
        healthy = asyncio.get_running_loop().call_later(HEALTHY_AFTER, health.succeeded, name)
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - an error must neither go unnoticed nor end the rest
            log.error("background.failed", part=name, error=type(error).__name__, where=place(error))
            health.failed(name)
        finally:
            healthy.cancel()
        await asyncio.sleep(BACKGROUND_PAUSE)

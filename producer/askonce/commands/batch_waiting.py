"""The number of questions waiting for a provider batch, for the progress of `askonce batch`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from askonce.batch.console import EVERY, Progress
from askonce.errors import StoreUnreachable
from askonce.operator.provider_batches import ProviderBatches
from askonce.tasks import stop


@asynccontextmanager
async def watched(progress: Progress, url: str | None) -> AsyncIterator[None]:
    """While open, the progress shows how many wait, including other runs' questions."""
    task = asyncio.create_task(_watch(progress, url))
    try:
        yield
    finally:
        await stop(task)


async def _watch(progress: Progress, url: str | None) -> None:
    """Starts with the first progress line."""
    await asyncio.sleep(EVERY / 2)
    async with ProviderBatches(url) as batches:
        while True:
            with contextlib.suppress(StoreUnreachable):
                progress.parked = await batches.waiting()
            await asyncio.sleep(EVERY)

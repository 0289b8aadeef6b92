"""Deletes files that no batch needs any more at the provider, so that prompts and answers do not stay there."""

import structlog

from askonce_worker.parked.batches import Batches
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.provider_api import BatchApi
from askonce_worker.parked.refusal import ABSENT
from askonce_worker.providers.provider import ProviderError

log = structlog.get_logger()

AT_ONCE = 20
WORK = "tidying"


class Tidying:
    """pauses: used by nothing else."""

    def __init__(self, batches: Batches, api: BatchApi, pauses: Pauses) -> None:
        self._batches = batches
        self._api = api
        self._pauses = pauses

    async def step(self) -> None:
        """Delete some. A file that the provider refuses to delete stays there."""
        if not self._pauses.is_over(WORK):
            return
        for file_id in await self._batches.files(AT_ONCE):
            try:
                await self._api.delete(file_id)
            except ProviderError as error:
                if error.status not in ABSENT:
                    log.warning("batch.file_not_deleted", file=file_id, error=str(error), again=not error.final)
                if not error.final:
                    self._pauses.pause(WORK, error.retry_after)
                    return
            await self._batches.forget_file(file_id)

"""Files and batches of a provider that speaks OpenAI's Batch API, through its own client. Raises ProviderError.

Known provider behaviour that the code relies on:

- A batch is `validating`, `in_progress`, `finalizing`, then `completed`, `failed`, `expired` or `cancelled`, the last
  after `cancelling`. Any of these ends but `failed` may have files: output, errors, both or none. A file that there is
  not is null, or an empty text.
- A line of either file names its request by `custom_id`, in any order. `error` tells of what was never asked
  (`batch_expired`, `batch_cancelled`), else `response` has the status and the body.
- Creating takes no idempotency key. The list has the newest first, in pages.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

from openai.types import Batch

from askonce_worker.providers.provider import ProviderClient, translated

ENDED = ("completed", "failed", "expired", "cancelled")
MARK = "askonce"
"""The metadata key of a batch's name."""
ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
PAGES = 20
"""Pages of the list, of 100 batches each, that are searched for one."""
PAGE = 100


class BatchApi:
    """client: for everything except file contents, which `files` streams."""

    def __init__(self, client: ProviderClient, files: ProviderClient) -> None:
        self._client = client
        self._files = files

    async def upload(self, name: str, content: bytes) -> str:
        """The file's id."""
        with translated(self._client):
            file = (_file_name(name), content, "application/jsonl")
            return (await self._client.files.create(file=file, purpose="batch")).id

    async def uploads(self, name: str, *, since: int) -> list[str]:
        """The ids of all files uploaded for this batch. since: Unix seconds before which there were none."""
        found: list[str] = []
        after, pages = "", 0
        while pages < PAGES:
            with translated(self._client):
                page = await (
                    self._client.files.list(purpose="batch", order="desc", after=after, limit=PAGE)
                    if after
                    else self._client.files.list(purpose="batch", order="desc", limit=PAGE)
                )
            found += [each.id for each in page.data if each.filename == _file_name(name)]
            if not page.has_next_page() or not page.data or page.data[-1].created_at < since:
                break
            after, pages = page.data[-1].id, pages + 1
        return found

    async def create(self, name: str, file_id: str, *, within: float) -> Batch:
        """within: seconds for the whole request, regardless of the timeouts of its phases."""
        with translated(self._client):
            async with asyncio.timeout(within):
                return await self._client.batches.create(
                    completion_window="24h", endpoint=ENDPOINT, input_file_id=file_id, metadata={MARK: name}
                )

    async def find(self, name: str, file_id: str, *, since: int) -> list[Batch]:
        """The batches with this name or file. since: Unix seconds before which none was created."""
        found: list[Batch] = []
        after, pages = "", 0
        while pages < PAGES:
            with translated(self._client):
                page = await (
                    self._client.batches.list(after=after, limit=PAGE)
                    if after
                    else self._client.batches.list(limit=PAGE)
                )
            found += [each for each in page.data if _is_ours(each, name, file_id)]
            if not page.has_next_page() or not page.data or (page.data[-1].created_at or 0) < since:
                break
            after, pages = page.data[-1].id, pages + 1
        return found

    async def look(self, batch_id: str) -> Batch:
        with translated(self._client):
            return await self._client.batches.retrieve(batch_id)

    async def cancel(self, batch_id: str) -> None:
        with translated(self._client):
            await self._client.batches.cancel(batch_id)

    async def delete(self, file_id: str) -> None:
        with translated(self._client):
            await self._client.files.delete(file_id)

    async def content(self, file_id: str) -> AsyncGenerator[bytes, None]:
        """Streams the lines of a file without writing to disk, which a container may not have."""
        rest = bytearray()
        with translated(self._files):
            async with self._files.files.with_streaming_response.content(file_id) as response:
                async for part in response.iter_bytes():
                    *lines, last = part.split(b"\n")
                    for line in lines:
                        rest += line
                        yield bytes(rest)
                        rest.clear()
                    rest += last
        yield bytes(rest)

    async def close(self) -> None:
        await self._client.close()
        await self._files.close()


def _file_name(name: str) -> str:
    return f"{name}.jsonl"


def _is_ours(batch: Batch, name: str, file_id: str) -> bool:
    return (batch.metadata or {}).get(MARK) == name or bool(file_id and batch.input_file_id == file_id)

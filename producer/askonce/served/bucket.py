"""Files in an S3 bucket, or one that is compatible with S3. Credentials and endpoint come from variables `AWS_…`."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from askonce.served.blobs import BLOCK, S3

PART = 8 * 1024 * 1024
"""Bytes per part of an upload, of which S3 allows 10,000."""
AT_ONCE = 2
"""Parts uploaded concurrently."""


class Bucket:
    """url: `s3://bucket/prefix`. Raises ValueError."""

    def __init__(self, url: str) -> None:
        bucket, _, prefix = url.removeprefix(S3).partition("/")
        if not bucket:
            raise ValueError(f"{url}: must be s3://BUCKET/PREFIX")
        try:
            self._store = S3Store(bucket, prefix=prefix or None)
        except BaseError as error:
            raise ValueError(f"{url}: {error}") from error

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> None:
        try:
            await obstore.put_async(self._store, name, data, chunk_size=PART, max_concurrency=AT_ONCE)
        except BaseError as error:
            raise OSError(_words(error)) from error

    async def read(self, name: str) -> AsyncIterator[bytes]:
        try:
            found = await obstore.get_async(self._store, name)
            async for block in found.stream(BLOCK):
                yield bytes(block)
        except NotFoundError as error:
            raise FileNotFoundError(name) from error
        except BaseError as error:
            raise OSError(_words(error)) from error

    async def names(self, folder: str, *, older: float = 0.0) -> list[str]:
        before = datetime.now(UTC) - timedelta(seconds=older)
        try:
            found = [each async for part in obstore.list(self._store, folder) for each in part]
        except BaseError as error:
            raise OSError(_words(error)) from error
        return sorted(each["path"] for each in found if not older or each["last_modified"] < before)

    async def delete(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except NotFoundError:
                continue
            except BaseError as error:
                raise OSError(_words(error)) from error

    async def tidy(self, older: float) -> None:
        """Does nothing: S3 does not list unfinished uploads. The bucket's AbortIncompleteMultipartUpload rule deletes
        them."""


def _words(error: BaseError) -> str:
    """The first line: the others are internals of the library."""
    return str(error).partition("\n")[0]

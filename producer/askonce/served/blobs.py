"""Storage for the bytes of files: a directory or an S3-compatible bucket."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

BLOCK = 1024 * 1024
"""Approximate number of bytes that are read and written at a time."""
S3 = "s3://"


class Blobs(Protocol):
    """Names consist of letters, digits and `/ - . _`, and begin with `files/` or `parts/`.

    All methods raise OSError if the store cannot be reached.
    """

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> None:
        """Write it completely or not at all, replacing any previous content."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Raises FileNotFoundError."""
        ...

    async def names(self, folder: str, *, older: float = 0.0) -> list[str]:
        """All names in a folder and below, sorted. older: only those written at least this many seconds ago."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Delete them. Missing ones are ignored."""

    async def tidy(self, older: float) -> None:
        """Delete unfinished writes that are at least this many seconds old."""


def open_blobs(place: str) -> Blobs:
    """place: a directory, or `s3://bucket/prefix`. Raises ValueError."""
    if place.startswith(S3):
        try:
            from askonce.served.bucket import Bucket  # noqa: PLC0415 - needs an optional extra
        except ModuleNotFoundError as error:
            raise ValueError(f"{error.name} is not installed: pip install 'askonce[s3]'") from error
        return Bucket(place)
    if "://" in place:
        raise ValueError(f"{place}: files are kept in a directory, or in s3://BUCKET/PREFIX")
    from askonce.served.directory import Directory  # noqa: PLC0415 - not needed for a bucket

    return Directory(place)

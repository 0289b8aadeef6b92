"""Where the bytes of files are: a directory, or a bucket that speaks S3."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

BLOCK = 1024 * 1024
"""Bytes, about, that are read and written at a time."""
S3 = "s3://"


class Blobs(Protocol):
    """Names are made of letters, digits and `/ - . _`, below `files/` and `parts/`.

    All raise OSError where the place cannot be reached.
    """

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> None:
        """Puts it there whole, or not at all. What was there under this name is replaced."""

    def read(self, name: str) -> AsyncIterator[bytes]:
        """Raises FileNotFoundError."""
        ...

    async def names(self, folder: str, *, older: float = 0.0) -> list[str]:
        """All in a folder and below, sorted. older: those alone that were written so many seconds ago."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Those that are not there count as deleted."""

    async def tidy(self, older: float) -> None:
        """Deletes what was left half-written so many seconds ago."""


def open_blobs(place: str) -> Blobs:
    """place: a directory, or `s3://bucket/prefix`. Raises ValueError."""
    if place.startswith(S3):
        try:
            from askonce.served.bucket import Bucket  # noqa: PLC0415 - an extra of the package
        except ModuleNotFoundError as error:
            raise ValueError(f"{error.name} is not installed: pip install 'askonce[s3]'") from error
        return Bucket(place)
    from askonce.served.directory import Directory  # noqa: PLC0415 - the other one needs none of it

    return Directory(place)

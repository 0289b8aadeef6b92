"""Files in a directory. Several machines may share it, over a network file system that renames atomically."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO

from askonce.served.blobs import BLOCK

UNFINISHED = "."
"""What is still being written has a name that begins so."""
FOLDERS = ("files", "parts")


class Directory:
    """Raises ValueError if it is not there and cannot be made.

    Its folders are made now, and never again: where they are missing later, it is another place that stands here, such
    as the mount point of a volume that is away.
    """

    def __init__(self, place: str) -> None:
        self._root = Path(place).absolute()
        self._folders = frozenset(self._root / name for name in FOLDERS)
        try:
            for folder in self._folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{place}: {error.strerror}") from error

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> None:
        path = self._root / name
        unfinished = path.with_name(f"{UNFINISHED}{path.name}.{secrets.token_hex(4)}")
        try:
            with await asyncio.to_thread(self._begin, unfinished) as file:
                if isinstance(data, bytes):
                    await asyncio.to_thread(file.write, data)
                else:
                    async for block in data:
                        await asyncio.to_thread(file.write, block)
                await asyncio.to_thread(_onto_disk, file)
            await asyncio.to_thread(_rename, unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _begin(self, path: Path) -> IO[bytes]:
        self._look()
        path.parent.mkdir(exist_ok=True)
        try:
            return path.open("xb")
        except FileNotFoundError as error:  # who emptied the folder took it away: nothing that is read is missing
            raise OSError(f"{path.parent} is gone again") from error

    def _look(self) -> None:
        if not all(folder.is_dir() for folder in self._folders):
            raise OSError(f"{self._root} is not as it was: is its volume mounted?")

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._open, name) as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                yield block

    def _open(self, name: str) -> FileIO:
        try:
            return (self._root / name).open("rb", buffering=0)
        except FileNotFoundError:
            self._look()
            raise

    async def names(self, folder: str, *, older: float = 0.0) -> list[str]:
        found = await asyncio.to_thread(self._files, folder, older)
        return sorted(path.relative_to(self._root).as_posix() for path in found if not _is_unfinished(path))

    def _files(self, folder: str, older: float) -> list[Path]:
        """What is being written, too."""
        self._look()
        found = [path for path in (self._root / folder).rglob("*") if path.is_file()]
        return [path for path in found if _age(path) >= older] if older else found

    async def delete(self, names: Sequence[str]) -> None:
        await asyncio.to_thread(self._delete, [self._root / name for name in names])

    def _delete(self, paths: Sequence[Path]) -> None:
        self._look()
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths} - self._folders:
            with suppress(OSError):  # there is more in it
                folder.rmdir()

    async def tidy(self, older: float) -> None:
        found = await asyncio.to_thread(self._files, "", older)
        await asyncio.to_thread(self._delete, [path for path in found if _is_unfinished(path)])


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(UNFINISHED)


def _age(path: Path) -> float:
    """Seconds; none where it is gone meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _onto_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(unfinished: Path, path: Path) -> None:
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

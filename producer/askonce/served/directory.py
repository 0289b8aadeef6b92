"""Files in a directory. Several machines may share it over a network file system with atomic renames."""

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
"""Prefix of the names of files that are still being written."""
FOLDERS = ("files", "parts")


class Directory:
    """Raises ValueError if the directory does not exist and cannot be created.

    Its folders are created only here. If they are missing later, something else is at this path, such as the mount
    point of an unmounted volume.
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
                await asyncio.to_thread(_sync, file)
            await asyncio.to_thread(_rename, unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def _begin(self, path: Path) -> IO[bytes]:
        self._check_mounted()
        path.parent.mkdir(exist_ok=True)
        try:
            return path.open("xb")
        except FileNotFoundError as error:  # another process removed the emptied folder; this is not a missing input
            raise OSError(f"{path.parent} was removed meanwhile") from error

    def _check_mounted(self) -> None:
        if not all(folder.is_dir() for folder in self._folders):
            raise OSError(f"{self._root} has lost its folders: is its volume mounted?")

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._open, name) as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                yield block

    def _open(self, name: str) -> FileIO:
        try:
            return (self._root / name).open("rb", buffering=0)
        except FileNotFoundError:
            self._check_mounted()
            raise

    async def names(self, folder: str, *, older: float = 0.0) -> list[str]:
        found = await asyncio.to_thread(self._files, folder, older)
        return sorted(path.relative_to(self._root).as_posix() for path in found if not _is_unfinished(path))

    def _files(self, folder: str, older: float) -> list[Path]:
        """Includes files that are still being written."""
        self._check_mounted()
        found = [path for path in (self._root / folder).rglob("*") if path.is_file()]
        return [path for path in found if _age(path) >= older] if older else found

    async def delete(self, names: Sequence[str]) -> None:
        await asyncio.to_thread(self._delete, [self._root / name for name in names])

    def _delete(self, paths: Sequence[Path]) -> None:
        self._check_mounted()
        for path in paths:
            path.unlink(missing_ok=True)
        for folder in {path.parent for path in paths} - self._folders:
            with suppress(OSError):  # it is not empty
                folder.rmdir()

    async def tidy(self, older: float) -> None:
        found = await asyncio.to_thread(self._files, "", older)
        await asyncio.to_thread(self._delete, [path for path in found if _is_unfinished(path)])


def _is_unfinished(path: Path) -> bool:
    return path.name.startswith(UNFINISHED)


def _age(path: Path) -> float:
    """Seconds; 0 if it has been deleted meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _rename(unfinished: Path, path: Path) -> None:
    unfinished.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

"""Files in a directory. Several machines may share it, over a network file system that renames atomically."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from askonce.served.blobs import BLOCK

UNFINISHED = "."
"""What is still being written has a name that begins so; one that a killed process has left behind stays."""


class Directory:
    """Raises ValueError where it is not there and cannot be made."""

    def __init__(self, place: str) -> None:
        self._root = Path(place).absolute()
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{place}: {error.strerror}") from error

    async def write(self, name: str, data: bytes | AsyncIterator[bytes]) -> None:
        path = self._root / name
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        unfinished = path.with_name(f"{UNFINISHED}{path.name}.{secrets.token_hex(4)}")
        try:
            with await asyncio.to_thread(unfinished.open, "xb") as file:
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

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread((self._root / name).open, "rb", buffering=0) as file:
            while block := await asyncio.to_thread(file.read, BLOCK):
                yield block

    async def names(self, folder: str) -> list[str]:
        return await asyncio.to_thread(self._names, folder)

    def _names(self, folder: str) -> list[str]:
        found = (path for path in (self._root / folder).rglob("*") if path.is_file())
        return sorted(path.relative_to(self._root).as_posix() for path in found if not path.name.startswith(UNFINISHED))

    async def delete(self, names: Sequence[str]) -> None:
        await asyncio.to_thread(self._delete, names)

    def _delete(self, names: Sequence[str]) -> None:
        for name in names:
            (self._root / name).unlink(missing_ok=True)
        for folder in {(self._root / name).parent for name in names} - {self._root / "files"}:
            with suppress(OSError):  # there is more in it
                folder.rmdir()


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

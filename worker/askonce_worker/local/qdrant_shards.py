"""The collections on disk, owned by this process.

Each has a directory, with `collection.json` beside its data. That file is written last and removed first, so a
collection that a crash left half created or half deleted is removed at the next start.
"""

import re
import shutil
import time
from pathlib import Path

from askonce_worker.local.qdrant_collection import DESCRIPTION, Collection
from askonce_worker.local.qdrant_errors import CollectionExists, CollectionMissing, DiskFull, WrongInput
from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_shape import Shape
from askonce_worker.local.qdrant_upkeep import Upkeep

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_ROOM = 256 << 20
"""Bytes of disk that stay free: the engine maps files of 32 MB, and a write to one without space is fatal."""


class Shards:
    """Not thread-safe."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self._root = root
        self._collections: dict[str, Collection] = {}
        for directory in sorted(path for path in root.iterdir() if path.is_dir()):
            if (directory / DESCRIPTION).exists():
                self._collections[directory.name] = Collection.load(directory)
            else:
                shutil.rmtree(directory)
        self._upkeep = Upkeep(self._collections.values, limits or Limits(), time.monotonic)

    def names(self) -> list[str]:
        return list(self._collections)

    def get(self, name: str) -> Collection:
        try:
            return self._collections[name]
        except KeyError:
            raise CollectionMissing(name) from None

    def to_write(self, name: str) -> Collection:
        """The collection, to be written to. Raises DiskFull, CollectionMissing."""
        free = shutil.disk_usage(self._root).free
        if free < _ROOM:
            raise DiskFull(free)
        return self.get(name)

    def create(self, name: str, shape: Shape) -> None:
        if not _NAME.fullmatch(name):
            raise WrongInput(f"a collection name consists of letters, digits, `_`, `-` and `.`, unlike `{name}`")
        if name in self._collections:
            raise CollectionExists(name)
        self._collections[name] = Collection.create(self._root / name, shape)

    def delete(self, name: str) -> bool:
        collection = self._collections.pop(name, None)
        if collection is None:
            return False
        self._upkeep.drop(collection)
        (collection.directory / DESCRIPTION).unlink()
        collection.close()
        shutil.rmtree(collection.directory)
        return True

    def tidy(self) -> float:
        """Do one step of upkeep. Returns the seconds until the next."""
        return self._upkeep.step()

    def close(self) -> None:
        self._upkeep.close()
        for collection in self._collections.values():
            collection.close()

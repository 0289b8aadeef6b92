"""The collections on disk: each one shard of the engine, owned by this process.

A shard lives in a directory of its own, with `collection.json` beside its data. That file is written last and removed
first, so what a crash leaves half-made or half-removed is cleared away at the next start.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import qdrant_edge as edge

from askonce_worker.local.qdrant_errors import CollectionMissing, WrongInput

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}")
_NO_GRAPH = 2**40
"""Kilobytes of vectors from which the engine would build an HNSW graph: never.

A graph of 10,000 vectors takes 5 to 18 s, in which the engine holds the interpreter and the server answers no request,
and then batches of 64 are no faster (41 ms against 33 ms, all in one scope). The search stays exact: 0.3 ms a query
among 1,000 vectors of one scope, 2.8 ms among 10,000.
"""


@dataclass(frozen=True, slots=True)
class Shape:
    size: int
    distance: str
    """`Cosine`, `Euclid`, `Dot` or `Manhattan`."""
    quantization: str = ""
    """As it was asked for, in base64: it is told again, and changes nothing."""


@dataclass(slots=True)
class Collection:
    shape: Shape
    shard: edge.EdgeShard
    touched: bool = False
    """Written to since the last `tidy`."""


class Shards:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._collections = dict(self._load())

    def _load(self) -> Iterator[tuple[str, Collection]]:
        for directory in sorted(path for path in self._root.iterdir() if path.is_dir()):
            description = directory / "collection.json"
            if not description.exists():
                shutil.rmtree(directory)
                continue
            shape = Shape(**json.loads(description.read_bytes()))
            yield directory.name, Collection(shape, edge.EdgeShard.load(str(directory / "shard")))

    def names(self) -> list[str]:
        return list(self._collections)

    def get(self, name: str) -> Collection:
        try:
            return self._collections[name]
        except KeyError:
            raise CollectionMissing(name) from None

    def written(self, name: str) -> edge.EdgeShard:
        """The shard, for a change of it."""
        collection = self.get(name)
        collection.touched = True
        return collection.shard

    def create(self, name: str, shape: Shape) -> None:
        if not _NAME.fullmatch(name):
            raise WrongInput(f"a collection name of letters, digits, `_`, `-` and `.` is needed, not `{name}`")
        if name in self._collections:
            raise WrongInput(f"Collection `{name}` already exists!")
        directory = self._root / name
        (directory / "shard").mkdir(parents=True)
        config = edge.EdgeConfig(
            vectors=edge.EdgeVectorParams(size=shape.size, distance=getattr(edge.Distance, shape.distance)),
            optimizers=edge.EdgeOptimizersConfig(indexing_threshold=_NO_GRAPH),
        )
        shard = edge.EdgeShard.create(str(directory / "shard"), config)
        (directory / "collection.json").write_text(json.dumps(asdict(shape)))
        self._collections[name] = Collection(shape, shard)

    def delete(self, name: str) -> bool:
        collection = self._collections.pop(name, None)
        if collection is None:
            return False
        (self._root / name / "collection.json").unlink()
        collection.shard.close()
        shutil.rmtree(self._root / name)
        return True

    def tidy(self) -> None:
        """Give back the room of deleted points (0.4 s for 3,000 of 10,000; nothing to do takes no time)."""
        for collection in self._collections.values():
            if collection.touched:
                collection.touched = False
                collection.shard.optimize()

    def close(self) -> None:
        for collection in self._collections.values():
            collection.shard.flush()
            collection.shard.close()

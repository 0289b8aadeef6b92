"""A collection's points, spread over parts: each is a shard of the engine in its own directory.

The last part takes new points and is searched exactly. The others have a graph or wait for one. A point is in one part:
an upsert writes it to the last part, then removes it from the others. A crash in between leaves two copies. Reads then
return the newer one, and the next upsert or deletion of the point removes the older.

`collection.json` names the parts. It is replaced atomically, so a crash leaves either the old parts or the new ones.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from askonce_worker.local.qdrant_files import read_ahead
from askonce_worker.local.qdrant_shape import Shape
from askonce_worker.local.qdrant_walks import ROTATIONS, Search, search, search_rotated

DESCRIPTION = "collection.json"
_FIRST = "shard"


@dataclass(slots=True, eq=False)
class Part:
    name: str
    shard: edge.EdgeShard
    built: int = 0
    """Points that its graph was built from; 0 without a graph."""
    touched: bool = False
    """Whether it was written to since it was last flushed."""
    few: dict[bytes, bool] = field(default_factory=dict)
    """Whether few points match a condition, by the condition's name."""

    @property
    def points(self) -> int:
        return self.shard.info().points_count

    def update(self, operation: edge.UpdateOperation) -> None:
        self.touched = True
        self.few.clear()
        self.shard.update(operation)

    def flush(self) -> None:
        if self.touched:
            self.shard.flush()
            self.touched = False

    def held(self, ids: Iterable[edge.PointId]) -> list[edge.PointId]:
        """Those of these points that are in this part."""
        return [record.id for record in self.shard.retrieve(list(ids), False, False)]


class Collection:
    def __init__(self, directory: Path, shape: Shape, parts: Sequence[Part]) -> None:
        self.directory = directory
        self.shape = shape
        self.parts = list(parts)
        self.building: list[Part] = []
        """The parts from which a graph is being built."""
        self.journal: list[edge.UpdateOperation] = []
        """Operations on those parts since they were copied."""
        self.changed = True
        """Whether it was written to since upkeep last found nothing to build."""

    @classmethod
    def create(cls, directory: Path, shape: Shape) -> Collection:
        shutil.rmtree(directory, ignore_errors=True)  # left by a failed attempt
        directory.mkdir(parents=True)
        collection = cls(directory, shape, [])
        collection.grow(_FIRST)
        return collection

    @classmethod
    def load(cls, directory: Path) -> Collection:
        """Also removes directories of parts that are not named: a crash left them."""
        description = json.loads((directory / DESCRIPTION).read_bytes())
        named: dict[str, int] = description.pop("parts", {_FIRST: 0})
        for path in directory.iterdir():
            if path.is_dir() and path.name not in named:
                shutil.rmtree(path)
        for name in named:
            read_ahead(directory / name)
        # The engine's log may hold operations that are not yet in its files, so each part needs a flush.
        parts = [Part(name, edge.EdgeShard.load(str(directory / name)), built, True) for name, built in named.items()]
        return cls(directory, Shape(**description), parts)

    def grow(self, name: str = "") -> None:
        """Add a new last part."""
        for _ in self.growing(name):
            pass

    def growing(self, name: str = "") -> Iterator[None]:
        """Like `grow`, in steps. Other operations may run between them."""
        name = name or f"part-{uuid.uuid4().hex}"
        path = self.directory / name
        path.mkdir()
        part = Part(name, edge.EdgeShard.create(str(path), self.shape.plain()))
        while self.parts and (missing := self._schema().keys() - part.shard.info().payload_schema.keys()):
            yield
            field = missing.pop()
            index = self._schema()[field]
            part.update(edge.UpdateOperation.create_field_index(field, index.params or index.data_type))
        self.keep([*self.parts, part])

    def _schema(self) -> dict[str, edge.PayloadIndexInfo]:
        return self.parts[-1].shard.info().payload_schema

    def keep(self, parts: Sequence[Part]) -> None:
        """Durably make these the collection's parts. Raises OSError, and then nothing has changed."""
        description = {**asdict(self.shape), "parts": {part.name: part.built for part in parts}}
        written = self.directory / f"{DESCRIPTION}.new"
        with written.open("w") as file:
            json.dump(description, file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self.directory / DESCRIPTION)
        self.parts = list(parts)

    def reshape(self, shape: Shape) -> None:
        self.shape = shape
        self.keep(self.parts)

    def close(self) -> None:
        for part in self.parts:
            part.shard.flush()
            part.shard.close()

    def bytes_of(self, part: Part) -> int:
        """The size of its vectors, without deleted points."""
        return part.points * self.shape.size * 4

    # Reading

    def search(self, searches: Sequence[Search]) -> list[list[edge.ScoredPoint]]:
        """The best points of each search, including those that its offset skips."""
        found = self._in_parts(search, searches)
        for rotation in range(ROTATIONS):
            missed = [at for at, points in enumerate(found) if not points and searches[at].walk]
            again = self._in_parts(partial(search_rotated, rotation=rotation), [searches[at] for at in missed])
            for at, points in zip(missed, again, strict=True):
                found[at] = points
        return found

    def _in_parts(self, look: Callable[..., Any], searches: Sequence[Search]) -> list[list[edge.ScoredPoint]]:
        by_part = [look(part, searches, self.shape.full_scan_points) for part in reversed(self.parts)]
        return [self._best(found, each.limit) for each, *found in zip(searches, *by_part, strict=True)]

    def _best(self, newest_first: Sequence[Sequence[edge.ScoredPoint]], limit: int) -> list[edge.ScoredPoint]:
        points = _newest((point.id, point) for found in newest_first for point in found)
        points.sort(key=lambda point: point.score, reverse=self.shape.is_similarity)
        return points[:limit]

    def retrieve(self, ids: list[edge.PointId], payload: Any, vector: bool) -> list[edge.Record]:
        """In the order of the ids."""
        records = [r for part in reversed(self.parts) for r in part.shard.retrieve(ids, payload, vector)]
        if len(self.parts) == 1:
            return records
        places = {point: place for place, point in enumerate(ids)}
        return sorted(_newest((record.id, record) for record in records), key=lambda record: places[record.id])

    def count(self, condition: edge.Filter | None) -> int:
        return sum(part.shard.count(edge.CountRequest(exact=True, filter=condition)) for part in self.parts)

    def scroll(
        self, start: edge.PointId | None, limit: int, **wanted: Any
    ) -> tuple[list[edge.Record], edge.PointId | None]:
        """A page in the order of the ids, and where the next one starts."""
        page = edge.ScrollRequest(offset=start, limit=limit + 1, **wanted)
        found = (record for part in reversed(self.parts) for record in part.shard.scroll(page)[0])
        records = sorted(_newest((record.id, record) for record in found), key=lambda record: _place(record.id))
        return records[:limit], records[limit].id if len(records) > limit else None

    # Writing

    def upsert(self, points: list[edge.Point]) -> None:
        self.changed = True
        *older, last = self.parts
        last.update(edge.UpdateOperation.upsert_points(points))
        self._on_ids([point.id for point in points], edge.UpdateOperation.delete_points, older)

    def delete(self, ids: list[edge.PointId]) -> None:
        self._on_ids(ids, edge.UpdateOperation.delete_points, self.parts)

    def set_payload(self, ids: list[edge.PointId], payload: dict[str, Any]) -> None:
        """Raises the engine's error if one of the points does not exist."""
        held = self._on_ids(ids, lambda some: edge.UpdateOperation.set_payload(some, payload), self.parts)
        missing = [point for point in ids if point not in held]
        if missing:
            self.parts[-1].update(edge.UpdateOperation.set_payload(missing, payload))

    def everywhere(self, operation: edge.UpdateOperation) -> None:
        """Apply an operation that names no points: one by filter, or on an index."""
        self.changed = True
        for part in self.parts:
            part.update(operation)
        if self.building:
            self.journal.append(operation)

    def _on_ids(
        self,
        ids: list[edge.PointId],
        operation: Callable[[list[edge.PointId]], edge.UpdateOperation],
        parts: Iterable[Part],
    ) -> set[edge.PointId]:
        """Apply the operation in each part to the points that it holds. Returns the points found."""
        self.changed = True
        found: set[edge.PointId] = set()
        for part in parts:
            if held := part.held(ids):
                part.update(operation(held))
                if part in self.building:
                    self.journal.append(operation(held))
                found.update(held)
        return found


def _newest(points: Iterable[tuple[edge.PointId, Any]]) -> list[Any]:
    """The first value for each id."""
    first: dict[edge.PointId, Any] = {}
    for point, value in points:
        first.setdefault(point, value)
    return list(first.values())


def _place(point: edge.PointId) -> tuple[bool, int]:
    """The engine's order: numbers, then UUIDs."""
    return (True, point.int) if isinstance(point, uuid.UUID) else (False, int(point))

"""Builds graphs for parts without one, and again for parts that lost many points, in another process.

A rebuild is a generator. Each step is short, runs between two requests, and yields the seconds that may pass before the
next. Meanwhile, changes to the input parts also go into a journal. Once the new part is built, it is loaded, the
journal is applied to it, and it replaces the inputs. If anything fails, the inputs stay.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import json
import shutil
import subprocess
import sys
import uuid
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread

import qdrant_edge as edge

from askonce_worker.local.qdrant_collection import Collection, Part
from askonce_worker.local.qdrant_files import copy_part

AT_ONCE = 0.0
LATER = 0.2
_SLICE = 200
"""Operations of the journal that are applied per step."""
_JOURNAL = 50_000
_SPARE = 1 << 28
_BYTES_PER_POINT = 2000
"""On disk besides its vectors, a generous estimate."""


class BuildFailed(Exception):
    """The parts stay as they were, and the build is retried later."""


@dataclass(frozen=True, slots=True)
class Limits:
    loose: int = 8 << 20
    """Bytes of vectors without a graph above which one is built: some 5,000 of 384 dimensions."""
    part: int = 640 << 20
    """Maximum bytes of vectors in a part with a graph: some 400,000 of 384 dimensions. Loading such a part takes 0.34 s
    of CPU, during which nothing is answered."""

    @property
    def first(self) -> int:
        """Maximum bytes of vectors in a part built from parts without a graph: it is built soon, and merged later."""
        return self.part // 2

    @property
    def last(self) -> int:
        """Maximum bytes of vectors in the last part. Beyond it a new last part begins, and this one can get a graph. A
        little less than a quarter of `part`, so that four fit into one."""
        return self.part * 6 // 25

    dead: float = 0.3
    """The share of deleted points above which a part is rebuilt."""


def choose(collection: Collection, limits: Limits) -> list[Part]:
    """The parts, oldest first, from which to build one with a graph now; empty if there is nothing to build."""
    weights = {part: collection.bytes_of(part) for part in collection.parts}
    loose = [part for part in collection.parts if not part.built]
    small = sorted((part for part in weights if part.built), key=lambda part: weights[part])
    if sum(weights[part] for part in loose) > limits.loose:
        return _gathered(weights, [*loose, *small], limits.first)
    for part in collection.parts:
        if part.built and part.points < part.built * (1 - limits.dead):
            return [part]
    for at in range(len(small)):
        chosen = _gathered(weights, small[at:], limits.part)
        if len(chosen) > 1 and sum(weights[part] for part in chosen) > limits.first:
            return chosen
    return []


def is_urgent(collection: Collection, limits: Limits) -> bool:
    """Whether so many vectors have no graph that their graph must be built first."""
    return sum(collection.bytes_of(part) for part in collection.parts if not part.built) > limits.last


def _gathered(weights: dict[Part, int], parts: Sequence[Part], most: int) -> list[Part]:
    """The first part and those after it, up to `most` bytes. It ends before a part with a graph that is much larger
    than all before it together, so that there are few parts, each of a different size."""
    chosen, gathered = [parts[0]], weights[parts[0]]
    for part in parts[1:]:
        too_large = part.built and weights[part] > 2 * gathered
        if too_large or gathered + weights[part] > most:
            break
        chosen.append(part)
        gathered += weights[part]
    return [part for part in weights if part in chosen]


def rebuild(collection: Collection, inputs: list[Part]) -> Generator[float]:
    """Raises BuildFailed, and OSError if the disk is full. Closing it ends the process and removes its output."""
    work = collection.directory / f"build-{uuid.uuid4().hex}"
    try:
        _check_room(collection, inputs)
        for part in inputs:
            part.flush()
            yield AT_ONCE
        if inputs[-1] is collection.parts[-1]:
            for _ in collection.growing():
                yield AT_ONCE
            yield AT_ONCE
        collection.building, collection.journal = inputs, []
        sources = _copies(collection, inputs, work)
        yield AT_ONCE
        yield from _built(collection, work / "target", sources)
        yield from _replace(collection, inputs, work / "target")
        yield from _removed(work)
    finally:
        collection.building, collection.journal = [], []
        shutil.rmtree(work, ignore_errors=True)


def _check_room(collection: Collection, inputs: Sequence[Part]) -> None:
    points = sum(part.points for part in inputs)
    needed = points * (collection.shape.size * 4 * 3 + _BYTES_PER_POINT) + _SPARE
    free = shutil.disk_usage(collection.directory).free
    if free < needed:
        raise BuildFailed(f"the disk has {free >> 20} MB left, but {needed >> 20} MB may be needed")


def _copies(collection: Collection, inputs: Sequence[Part], work: Path) -> list[Path]:
    """Copy all parts in one step, as a consistent snapshot."""
    sources = []
    for number, part in enumerate(inputs):
        part.flush()
        copy_part(collection.directory / part.name, work / str(number))
        sources.append(work / str(number))
    return sources


def _built(collection: Collection, target: Path, sources: Sequence[Path]) -> Generator[float]:
    command = [sys.executable, "-P", "-m", "askonce_worker.local.qdrant_build"]
    command += [json.dumps(asdict(collection.shape)), str(target), *map(str, sources)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while (code := process.poll()) is None:
            if len(collection.journal) > _JOURNAL:
                raise BuildFailed("more was written during the build than the journal holds")
            yield LATER
    finally:
        process.kill()
        process.communicate()
    if code != 0:
        raise BuildFailed(f"the process ended with {code}")


def _replace(collection: Collection, inputs: Sequence[Part], target: Path) -> Generator[float]:
    name = f"part-{uuid.uuid4().hex}"
    path = target.rename(collection.directory / name)
    part = Part(name, edge.EdgeShard.load(str(path)), touched=True)
    part.built = part.points
    gone = [part]
    try:
        yield AT_ONCE
        yield from _apply_journal(collection, part)
        part.flush()
        yield AT_ONCE
        yield from _apply_journal(collection, part)
        part.flush()
        collection.keep(_with(collection.parts, part, inputs))
        collection.building = []
        gone = [each for each in (*inputs, part) if each not in collection.parts]
        while gone:
            yield AT_ONCE
            each = gone.pop()
            each.shard.close()
            yield from _removed(collection.directory / each.name)
    finally:
        for each in gone:
            each.shard.close()
            shutil.rmtree(collection.directory / each.name, ignore_errors=True)


def _apply_journal(collection: Collection, part: Part) -> Generator[float]:
    """Apply the journal to the part, until it is empty."""
    while collection.journal:
        operations, collection.journal[:_SLICE] = collection.journal[:_SLICE], []
        for operation in operations:
            part.update(operation)
        yield AT_ONCE


def _removed(directory: Path) -> Generator[float]:
    """Remove it in a thread: a large part takes a while."""
    removal = Thread(target=shutil.rmtree, args=(directory, True))
    removal.start()
    try:
        while removal.is_alive():
            yield LATER
    finally:
        removal.join()


def _with(parts: Sequence[Part], part: Part, inputs: Sequence[Part]) -> list[Part]:
    """The new part replaces its newest input, unless all of its points have been deleted meanwhile."""
    placed = [part if each is inputs[-1] else each for each in parts if each is inputs[-1] or each not in inputs]
    return [each for each in placed if each is not part or part.points]

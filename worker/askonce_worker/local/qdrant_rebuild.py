"""Graphs for what has none, and anew for what has lost much: built by another process while this one serves.

A rebuild is a generator: each step is short and runs between two requests, and says how many seconds may pass until the
next. A deletion or a change of a point that is being built of goes to its present part, and into a journal; the built
part is read in, is told the journal, and takes the place of those that it was built of. Whatever fails leaves these.
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

import qdrant_edge as edge

from askonce_worker.local.qdrant_collection import Collection, Part

AT_ONCE = 0.0
LATER = 0.2
_FOR_GOOD = {"matrix.dat", "quantized.data", "links_compressed.bin"}
"""Files of a built segment that the engine never writes to again: what it deletes it marks elsewhere."""
_SLICE = 200
"""Operations of the journal that are told in one step."""
_JOURNAL = 50_000
_SPARE = 1 << 28
_ROOM_OF_A_POINT = 2000
"""Bytes on disk beside its vectors, generously."""


class BuildFailed(Exception):
    """The parts stay as they were; it is tried again later."""


@dataclass(frozen=True, slots=True)
class Limits:
    loose: int = 8 << 20
    """Bytes of vectors without a graph, above which one is built: some 5,000 of 384 dimensions."""
    part: int = 320 << 20
    """Bytes of vectors in a part with a graph, at most: some 200,000 of 384 dimensions. To read in a part of 400,000
    takes 0.8 s of CPU, in which nothing is answered."""

    @property
    def last(self) -> int:
        """Bytes of vectors in the last part: those that come after them go into a new one, and a graph is in reach."""
        return self.part // 2

    dead: float = 0.3
    """The share of deleted points from which a part is built anew."""


def choose(collection: Collection, limits: Limits) -> list[Part]:
    """The parts, oldest first, of which one with a graph is to be made now; none if all is well."""
    weights = {part: collection.bytes_of(part) for part in collection.parts}
    loose = [part for part in collection.parts if not part.built]
    if sum(weights[part] for part in loose) > limits.loose:
        return _with_small_ones(weights, loose, limits)
    for part in collection.parts:
        if part.built and part.points < part.built * (1 - limits.dead):
            return [part]
    return []


def _with_small_ones(weights: dict[Part, int], loose: Sequence[Part], limits: Limits) -> list[Part]:
    """Parts with a graph that are not much larger go in too, so that there are few parts, and each of another size."""
    chosen, gathered = [loose[0]], weights[loose[0]]
    small = sorted((part for part in weights if part.built), key=lambda part: weights[part])
    for part in [*loose[1:], *small]:
        too_large = part.built and weights[part] > 2 * gathered
        if too_large or gathered + weights[part] > limits.part:
            break
        chosen.append(part)
        gathered += weights[part]
    return [part for part in weights if part in chosen]


def rebuild(collection: Collection, inputs: list[Part]) -> Generator[float]:
    """Raises BuildFailed, and OSError when the disk is full. Closing it ends the process and removes what it made."""
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
    finally:
        collection.building, collection.journal = [], []
        shutil.rmtree(work, ignore_errors=True)


def _check_room(collection: Collection, inputs: Sequence[Part]) -> None:
    points = sum(part.points for part in inputs)
    needed = points * (collection.shape.size * 4 * 3 + _ROOM_OF_A_POINT) + _SPARE
    free = shutil.disk_usage(collection.directory).free
    if free < needed:
        raise BuildFailed(f"the disk has {free >> 20} MB left, and {needed >> 20} MB may be needed")


def _copies(collection: Collection, inputs: Sequence[Part], work: Path) -> list[Path]:
    """All in one step, so that they are of one moment: large files are linked."""
    sources = []
    for number, part in enumerate(inputs):
        part.flush()
        target = work / str(number)
        source = collection.directory / part.name
        shutil.copytree(source, target, copy_function=_link_or_copy, ignore=shutil.ignore_patterns("wal"))
        sources.append(target)
    return sources


def _link_or_copy(source: str, target: str) -> str:
    if Path(source).name in _FOR_GOOD:
        try:
            Path(target).hardlink_to(source)
        except OSError:
            pass  # a file system without links
        else:
            return target
    return shutil.copyfile(source, target)


def _built(collection: Collection, target: Path, sources: Sequence[Path]) -> Generator[float]:
    command = [sys.executable, "-P", "-m", "askonce_worker.local.qdrant_build"]
    command += [json.dumps(asdict(collection.shape)), str(target), *map(str, sources)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        while (code := process.poll()) is None:
            if len(collection.journal) > _JOURNAL:
                raise BuildFailed("more was written meanwhile than is kept in mind")
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
        while collection.journal:
            told, collection.journal[:_SLICE] = collection.journal[:_SLICE], []
            for operation in told:
                part.update(operation)
            yield AT_ONCE
        part.flush()
        collection.keep(_with(collection.parts, part, inputs))
        gone = [each for each in (*inputs, part) if each not in collection.parts]
    finally:
        collection.building = []
        for each in gone:
            each.shard.close()
            shutil.rmtree(collection.directory / each.name, ignore_errors=True)


def _with(parts: Sequence[Part], part: Part, inputs: Sequence[Part]) -> list[Part]:
    """The new part stands where the newest stood, or nowhere when all its points are gone by now."""
    placed = [part if each is inputs[-1] else each for each in parts if each is inputs[-1] or each not in inputs]
    return [each for each in placed if each is not part or part.points]

"""Build one part with a graph from other parts, in a separate process: the engine would block one that serves.

python -m askonce_worker.local.qdrant_build SHAPE TARGET SOURCE...

The sources are copies, the oldest first. It exits with 0 once the target is complete, and at once if its parent dies.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Thread

import qdrant_edge as edge

from askonce_worker.local.child import wait_for_parent
from askonce_worker.local.qdrant_files import read_ahead
from askonce_worker.local.qdrant_shape import Shape, cold

NICENESS = 10
_PAGE = 1000
_FLUSH_EVERY = 20
"""Pages."""


def main() -> None:
    shape, target, *sources = sys.argv[1:]
    _end_with_parent()
    os.nice(NICENESS)
    build(Shape(**json.loads(shape)), Path(target), [Path(source) for source in sources])


def build(shape: Shape, target: Path, sources: list[Path]) -> None:
    target.mkdir()
    shards = [edge.EdgeShard.load(str(source)) for source in sources]
    built = edge.EdgeShard.create(str(target), shape.graph())
    for field, index in shards[-1].info().payload_schema.items():
        built.update(edge.UpdateOperation.create_field_index(field, cold(index)))
    for number, points in enumerate(_pages(shards), 1):
        built.update(edge.UpdateOperation.upsert_points(points))
        if number % _FLUSH_EVERY == 0:
            built.flush()  # else the log, which is in memory too, would grow to the size of the whole part
    built.optimize()
    built.close()
    read_ahead(target)


def _pages(shards: Sequence[edge.EdgeShard]) -> Iterator[list[edge.Point]]:
    """All points, to be written again. (A segment cannot move to another shard: its points' versions would be ahead of
    the operations there.)"""
    for shard in shards:
        start, more = None, True
        while more:
            page = edge.ScrollRequest(offset=start, limit=_PAGE, with_payload=True, with_vector=True)
            records, start = shard.scroll(page)
            yield [edge.Point(record.id, record.vector or [], record.payload) for record in records]
            more = start is not None


def _end_with_parent() -> None:
    """End this process when stdin closes. The engine holds the GIL for minutes, so on Linux the kernel ends us. A
    thread does so elsewhere, as soon as it can run."""
    if sys.platform == "linux":
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    wait_for_parent()
    os._exit(1)


if __name__ == "__main__":
    main()

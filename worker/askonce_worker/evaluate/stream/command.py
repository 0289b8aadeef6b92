"""`askonce-worker evaluate --stream`: a labelled stream in, hits, wrong hits and checks out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import Progress

from askonce_worker.audit.deciding import Terms
from askonce_worker.audit.matches import Vectors
from askonce_worker.evaluate.stream.file import Stream, read_stream
from askonce_worker.evaluate.stream.lookups import look_up
from askonce_worker.evaluate.stream.playing import play
from askonce_worker.evaluate.stream.report import Order, StreamReport, known, rows
from askonce_worker.evaluate.stream.rules import Rules
from askonce_worker.evaluate.vectors import NoVectors, VectorFile, digest


def vectors_of(stream: Stream, file: VectorFile) -> tuple[Stream, Vectors]:
    """The questions that have a vector, and their vectors, one row each. Raises NoVectors."""
    found = [file.known.get(digest(text)) for text in stream.texts]
    there = np.array([vector is not None for vector in found])
    if not there.any():
        raise NoVectors(f"{stream.name}: the embedding model returned no vector for any of its texts")
    return stream.part(there), np.stack([vector for vector in found if vector is not None]).astype(np.float32)


class StreamRun:
    """Replays a stream in one or more orders: each shuffled anew, or the file's own. Raises BadRows."""

    def __init__(self, path: Path, *, orders: int | None, seed: int) -> None:
        self.stream = read_stream(path)
        self._count = orders or 1
        self._shuffled = orders is not None or self.stream.is_sorted_by_label()
        self._seed = seed

    def play(
        self, file: VectorFile, rules: Rules, terms: Terms, model: str, progress: Progress
    ) -> tuple[StreamReport, list[Order]]:
        """Raises NoVectors."""
        stream, vectors = vectors_of(self.stream, file)
        task = progress.add_task("playing", total=self._count * len(stream))
        orders = [
            self._order(at, stream, vectors, terms, rules, lambda done: progress.advance(task, done))
            for at in range(self._count)
        ]
        report = StreamReport(
            stream=stream.name,
            model=model,
            budget=terms.budget,
            seed=self._seed,
            requests=len(stream),
            labels=len(np.unique(stream.labels)),
            without=len(self.stream) - len(stream),
            orders=self._count,
            shuffled=self._shuffled,
            rows=rows(orders, terms.budget, terms.profile),
            known=[known(order) for order in orders],
        )
        return report, orders

    def _order(
        self, at: int, stream: Stream, vectors: Vectors, terms: Terms, rules: Rules, on: Callable[[int], None]
    ) -> Order:
        seed = (self._seed, at)
        shuffled = np.random.default_rng(seed).permutation(len(stream))
        order = shuffled if self._shuffled else np.arange(len(stream))
        lookups = look_up(stream.in_order(order), vectors[order], rules, on)
        by_cosine, learnt = (
            play(lookups, terms, np.random.default_rng(seed), learns=learns) for learns in (False, True)
        )
        return Order(lookups.matches.cosine, lookups.right, by_cosine, learnt)

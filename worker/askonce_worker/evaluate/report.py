"""What an evaluation found: the figures of each file, and the threshold that follows from one half of the pairs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.figures import Figures, Scores, at_error, figures, grid, recommended


@dataclass(frozen=True, slots=True)
class Measured:
    """One file's pairs. held_out: those that have no part in the choice. without: pairs that have no vectors."""

    name: str
    scores: Scores
    held_out: NDArray[np.bool_]
    without: int = 0

    def tuned(self) -> Scores:
        return self.scores.part(~self.held_out)

    def kept(self) -> Scores:
        return self.scores.part(self.held_out)


@dataclass(frozen=True, slots=True)
class Row:
    """One threshold, without and with the guard. lost: share of the hits of same-answer pairs that the guard turns
    down; None where there are none."""

    bare: Figures
    guarded: Figures
    lost: float | None


@dataclass(frozen=True, slots=True)
class FileReport:
    """rows and at_max_error: over all pairs, the latter without and with the guard, each at the threshold at which just
    so many hits are wrong: what the guard gains. recommended: on the held-out pairs."""

    name: str
    pairs: int
    same: int
    without: int
    rows: list[Row]
    recommended: Row | None
    at_max_error: tuple[Figures | None, Figures | None]


@dataclass(frozen=True, slots=True)
class Report:
    """threshold: recommended, guard on; None where no threshold keeps max_error on each file."""

    model: str
    max_error: float
    seed: int
    threshold: float | None
    files: list[FileReport]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def report(files: Sequence[Measured], *, model: str, max_error: float, seed: int) -> Report:
    threshold = recommended([file.tuned() for file in files], max_error)
    extra = [] if threshold is None else [threshold]
    thresholds = grid([file.scores for file in files], extra)
    of_each = [_of_file(file, thresholds, threshold, max_error) for file in files]
    return Report(model, max_error, seed, threshold, of_each)


def _of_file(file: Measured, thresholds: list[float], threshold: float | None, max_error: float) -> FileReport:
    return FileReport(
        name=file.name,
        pairs=len(file.scores.same),
        same=int(file.scores.same.sum()),
        without=file.without,
        rows=[_row(file.scores, at) for at in thresholds],
        recommended=None if threshold is None else _row(file.kept(), threshold),
        at_max_error=(
            at_error(file.scores.bare(), max_error),
            at_error(file.scores, max_error),
        ),
    )


def _row(scores: Scores, threshold: float) -> Row:
    bare, guarded = figures(scores.bare(), threshold), figures(scores, threshold)
    return Row(bare, guarded, 1 - guarded.hit_rate / bare.hit_rate if bare.hit_rate else None)

"""What an evaluation found: the figures of each file, and the threshold that follows from one half of the pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.figures import Figures, Scores, at_error, choose, figures, grid, pairs_needed
from askonce_worker.evaluate.rules import RuleFigures, of_rules


@dataclass(frozen=True, slots=True)
class Measured:
    """One file's pairs.

    held_out: mask of the pairs that are not used to choose the threshold.
    without: number of pairs left out for lack of vectors.
    refused: for each rule, mask of the pairs that it refuses.
    """

    name: str
    scores: Scores
    held_out: NDArray[np.bool_]
    without: int = 0
    refused: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def tuned(self) -> Scores:
        return self.scores.part(~self.held_out)

    def kept(self) -> Scores:
        return self.scores.part(self.held_out)


@dataclass(frozen=True, slots=True)
class Row:
    """One threshold, without and with the guard. lost: share of the right hits that the guard turns down; None if there
    are none."""

    bare: Figures
    guarded: Figures
    lost: float | None


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file's figures.

    rows: over all pairs, one per threshold.
    at_max_error: over all pairs, without and with the guard, each where its wrong hits reach the limit.
    held_out: the chosen threshold on the held-out pairs; None if none could be chosen.
    pairs_needed: how many pairs, both halves together, it takes to show that the limit holds; None if the file does.
    rules: each rule of the guard on its own, over all pairs, at the lowest threshold shown and at the chosen one.
    """

    name: str
    pairs: int
    same: int
    without: int
    rows: list[Row]
    held_out: Row | None
    pairs_needed: int | None
    at_max_error: tuple[Figures | None, Figures | None]
    rules: list[RuleFigures]


@dataclass(frozen=True, slots=True)
class Report:
    """What follows from all files, with the guard on.

    chosen: on one half of the pairs; None if there are too many wrong hits even at a cosine of 1.
    threshold: the chosen one if the other half of every file shows that it stays within max_error; else None.
    """

    model: str
    max_error: float
    seed: int
    chosen: float | None
    threshold: float | None
    files: list[FileReport]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def report(files: Sequence[Measured], *, model: str, max_error: float, seed: int) -> Report:
    chosen = choose([file.tuned() for file in files], max_error)
    thresholds = grid([file.scores for file in files], [] if chosen is None else [chosen])
    of_each = [_of_file(file, thresholds, chosen, max_error) for file in files]
    shown = all(file.pairs_needed is None for file in of_each)
    return Report(model, max_error, seed, chosen, chosen if shown else None, of_each)


def _of_file(file: Measured, thresholds: list[float], chosen: float | None, max_error: float) -> FileReport:
    held_out = None if chosen is None else _row(file.kept(), chosen)
    return FileReport(
        name=file.name,
        pairs=len(file.scores.same),
        same=int(file.scores.same.sum()),
        without=file.without,
        rows=[_row(file.scores, at) for at in thresholds],
        held_out=held_out,
        pairs_needed=_pairs_needed(held_out, max_error),
        at_max_error=(
            at_error(file.scores.bare(), max_error),
            at_error(file.scores, max_error),
        ),
        rules=[
            each
            for at in sorted({thresholds[0], *([] if chosen is None else [chosen])})
            for each in of_rules(file.scores, file.refused, at)
        ],
    )


def _pairs_needed(held_out: Row | None, max_error: float) -> int | None:
    """Of both halves together; None if the held-out half shows that the limit holds."""
    if held_out is None:
        return 2 * pairs_needed(0.0, max_error)
    found = held_out.guarded
    return None if found.wrong_high <= max_error else 2 * pairs_needed(found.wrong, max_error)


def _row(scores: Scores, threshold: float) -> Row:
    bare, guarded = figures(scores.bare(), threshold), figures(scores, threshold)
    return Row(bare, guarded, 1 - guarded.hit_rate / bare.hit_rate if bare.hit_rate else None)

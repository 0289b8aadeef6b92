"""The curve as a picture: the hit rate against the share of wrong hits, without and with the guard."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from askonce_worker.evaluate.figures import Scores
from askonce_worker.evaluate.report import Measured, Report

BARE, GUARDED, LIMIT = "#9aa0a6", "#1a73e8", "#d93025"
INK = "#808080"
"""For text and axes: readable on white and on black, because the SVG's background is transparent."""
WIDEST = 5.0
"""The right end of the x axis, as a multiple of the limit."""


class NoMatplotlib(Exception):
    pass


def require() -> None:
    """Raises NoMatplotlib."""
    if find_spec("matplotlib") is None:
        raise NoMatplotlib("--plot needs matplotlib: pip install 'askonce[worker,plot]'")


@contextmanager
def new_figure(path: Path, width: float, height: float) -> Iterator[Any]:
    """A figure that is saved on exit: as SVG if the path ends in .svg, else as PNG. Raises OSError."""
    from matplotlib import rc_context  # noqa: PLC0415 - an optional extra that takes half a second to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    vector = path.suffix.lower() == ".svg"
    ink = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK)
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "askonce", **ink} if vector else {}
    with rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        metadata = {"Date": None} if vector else None
        figure.savefig(path, dpi=150, format="svg" if vector else "png", transparent=vector, metadata=metadata)


def draw(files: list[Measured], report: Report, path: Path) -> None:
    """Write the picture, with one panel per file. Raises NoMatplotlib, OSError."""
    require()
    with new_figure(path, 5.2 * len(files) + 0.6, 4.6) as figure:
        panels = figure.subplots(1, len(files), squeeze=False, sharey=True)[0]
        for panel, file in zip(panels, files, strict=True):
            _panel(panel, file, report)
        panels[0].set_ylim(bottom=0)  # applies to all panels, once their common top is known
        panels[0].set_ylabel("hit rate of same-answer pairs, %")
        figure.suptitle(f"{report.model}: the higher, the better", fontsize=11)


def _panel(panel: Any, file: Measured, report: Report) -> None:
    limit = 100 * report.max_error
    for scores, colour, label in (
        (file.scores.bare(), BARE, "cosine alone"),
        (file.scores, GUARDED, "cosine and guard"),
    ):
        wrong, hits = _curve(scores)
        shown = wrong <= WIDEST * limit
        panel.plot(wrong[shown], hits[shown], color=colour, linewidth=2, label=label)
    panel.axvline(limit, color=LIMIT, linewidth=1, linestyle="--")
    panel.set_xlim(0, WIDEST * limit)
    panel.annotate(
        f"limit: {limit:g} %",
        (limit, 1),
        (4, -4),
        xycoords=panel.get_xaxis_transform(),
        textcoords="offset points",
        color=LIMIT,
        fontsize=8,
        verticalalignment="top",
    )
    _mark(panel, file, report)
    panel.set_title(f"{file.name}, {len(file.scores.same):,} pairs", fontsize=10)
    panel.set_xlabel("wrong hits, % of all pairs")
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(loc="lower right", frameon=False, fontsize=9)


def _mark(panel: Any, file: Measured, report: Report) -> None:
    """The recommended threshold, on the curve of all pairs."""
    row = next((row for row in _rows(file, report) if row.guarded.threshold == report.threshold), None)
    if row is None:
        return
    at = 100 * row.guarded.wrong, 100 * row.guarded.hit_rate
    panel.plot(*at, "o", color=GUARDED, markersize=7)
    panel.annotate(
        f"recommended: {report.threshold:.4g}",
        at,
        (110 * report.max_error, 0.4 * at[1]),  # right of the limit, below the curves
        color=GUARDED,
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": GUARDED, "linewidth": 0.8},
    )


def _rows(file: Measured, report: Report) -> list[Any]:
    return next(one.rows for one in report.files if one.name == file.name)


def _curve(scores: Scores) -> tuple[Any, Any]:
    """Wrong hits and hits in percent, from the highest threshold to the lowest."""
    order = np.argsort(-scores.similarity, kind="stable")
    right = (scores.same & scores.passes)[order]
    wrong = (~scores.same & scores.passes)[order]
    hits = 100 * np.cumsum(right) / max(1, int(scores.same.sum()))
    share = 100 * np.cumsum(wrong) / len(scores.same)
    return np.concatenate([[0.0], share]), np.concatenate([[0.0], hits])

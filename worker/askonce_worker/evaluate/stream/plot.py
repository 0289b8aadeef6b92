"""A stream as a picture: hits, and wrong hits with their interval and the budget, over time."""

from pathlib import Path
from typing import Any

import numpy as np

from askonce_worker.audit.rate import Estimate, Seen, estimates
from askonce_worker.evaluate.plot import BARE, GUARDED, LIMIT, new_figure, require
from askonce_worker.evaluate.stream.playing import Period
from askonce_worker.evaluate.stream.report import Order, StreamReport

WINDOW = 8
"""Periods that each point averages over."""


def draw(report: StreamReport, order: Order, path: Path) -> None:
    """Write the picture. Raises NoMatplotlib, OSError."""
    require()
    with new_figure(path, 7.2, 6.0) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        _hits(above, order)
        _wrong(below, order, report.budget)
        for panel in (above, below):
            panel.grid(alpha=0.25)
            panel.spines[["top", "right"]].set_visible(False)
            panel.legend(loc="upper left", frameon=False, fontsize=9)
            panel.set_ylim(bottom=0)
        below.set_xlabel("requests")
        figure.suptitle(f"{report.stream}, {report.model}: one order", fontsize=11)


def _hits(panel: Any, order: Order) -> None:
    for played, colour, label in ((order.by_cosine, BARE, "ledger on cosine"), (order.learnt, GUARDED, "ledger")):
        at = _ends(_whole(played.periods))
        panel.plot(at, 100 * _lately(played.served, at), color=colour, linewidth=2, label=label)
    panel.set_ylabel("hits, % of requests")


def _wrong(panel: Any, order: Order, budget: float) -> None:
    periods = _whole(order.learnt.periods)
    at, known = _ends(periods), _known(periods)
    panel.fill_between(
        at,
        [each.low for each in known],
        [each.high for each in known],
        color=GUARDED,
        alpha=0.2,
        label="interval (95 %)",
    )
    panel.plot(at, [each.wrong for each in known], color=GUARDED, linewidth=2, label="by the checks")
    wrong = order.learnt.served & ~order.right
    panel.plot(at, 100 * _lately(wrong, at), color=BARE, linewidth=2, label="by the labels")
    panel.axhline(100 * budget, color=LIMIT, linewidth=1, linestyle="--", label="budget")
    panel.set_ylim(top=300 * budget)
    panel.set_ylabel("wrong hits, % of requests")


def _whole(periods: list[Period]) -> list[Period]:
    """All but the last period if that one is incomplete."""
    return [period for period in periods if period.requests == periods[0].requests]


def _ends(periods: list[Period]) -> Any:
    return np.cumsum([period.requests for period in periods])


def _lately(happened: Any, ends: Any) -> Any:
    """At the end of each period, the share over the last `WINDOW` periods."""
    total = np.concatenate([[0], np.cumsum(happened)])
    starts = np.concatenate([np.zeros(WINDOW, np.intp), ends])[: len(ends)]
    return (total[ends] - total[starts]) / (ends - starts)


def _known(periods: list[Period]) -> list[Estimate]:
    """At the end of each period, the estimate over the last `WINDOW` periods, in percent of the requests."""
    found = []
    for end in range(1, len(periods) + 1):
        seen = sum((period.seen for period in periods[max(0, end - WINDOW) : end]), Seen())
        of = estimates({"": seen})[""]
        found.append(Estimate(*(100 * each / seen.answered for each in (of.wrong, of.low, of.high))))
    return found

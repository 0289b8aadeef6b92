"""Draws what `bench_growth.py` has measured: `growth_chart.py growth.json docs/growth.svg [before.json]`.

Lines are of one scope and of many, with 0 % of the vectors expired; hollow marks are of 20 %, crosses of `before.json`.
A case that was ended early lacks some figures.
"""

import json
import sys
from math import ceil, floor, log10
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLOURS = ("#1b6ca8", "#c8553d", "#4a7c59", "#8a6d3b")
ONE, MANY = "-", "--"


def at(figures, path):
    for step in path.split("."):
        figures = figures.get(step, {})
    return figures or None


def paid(name):
    return lambda figures: 100 * figures[name]["paid"] / figures[name]["asked"] if name in figures else None


def of(path):
    return lambda figures: at(figures, path)


PANELS = [
    ("ask, semantic hit: ms", "log", {"p50": of("ask.p50_ms"), "p99": of("ask.p99_ms")}),
    ("semantic hits in bulk: /s", "log", {f"{n:,} in flight": of(f"bulk_{n}.per_second") for n in (64, 512, 5000)}),
    ("paid in error: % of questions", "linear", {f"{n:,} in flight": paid(f"bulk_{n}") for n in (64, 512, 5000)}),
    ("memory: MB", "log", {"Redis": of("redis_mb"), "Qdrant": of("qdrant_mb")}),
    ("searchable: entries/s", "log", {"warmed": of("warm_per_second"), "searchable": of("searchable_per_second")}),
    ("starts, and a tenth removed: s", "log", {
        "worker": of("worker_start_s"),
        "Qdrant": of("qdrant_start_s"),
        "expired": of("expiry_s"),
        "evicted": of("eviction_s"),
    }),
]  # fmt: skip


def line(axes, cases, value, colour, **style):
    points = sorted((case["entries"], value(case)) for case in cases if value(case) is not None)
    if points:
        axes.plot(*zip(*points, strict=True), color=colour, markersize=4, **style)


def frame(axes, title, scale):
    """Whole decades, in plain numbers: what is flat shall look flat."""
    axes.set(title=title, xscale="log", yscale=scale)
    for axis in (axes.xaxis, *([axes.yaxis] if scale == "log" else [])):
        axis.set_major_locator(LogLocator(10))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    if scale == "log":
        low, high = axes.get_ylim()
        axes.set_ylim(10 ** floor(log10(low) + 0.02), 10 ** ceil(log10(high) - 0.02))
    else:
        axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])
    axes.grid(alpha=0.25)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        axes.legend(handles, labels, fontsize=8, frameon=False)


def draw(cases, before, target):
    figure, grid = plt.subplots(2, 3, figsize=(11, 6), constrained_layout=True)
    for axes, (title, scale, series) in zip(grid.flat, PANELS, strict=True):
        for colour, (name, value) in zip(COLOURS, series.items(), strict=False):
            for scopes, dashes in ((1, ONE), (1000, MANY)):
                some = [case for case in cases if (case["scopes"] == 1) == (scopes == 1)]
                fresh, aged = ([case for case in some if bool(case["expired"]) is is_aged] for is_aged in (False, True))
                label = name if scopes == 1 else None
                line(axes, fresh, value, colour, linestyle=dashes, marker="o", label=label)
                line(axes, aged, value, colour, linestyle="", marker="o", markerfacecolor="white")
            line(axes, before, value, colour, linestyle="", marker="x")
        frame(axes, title, scale)
    legend = "entries · solid: one scope, dashed: 1,000 scopes"
    legend += " · hollow: 20 % expired" if any(case["expired"] for case in cases) else ""
    figure.supxlabel(legend + (" · crosses: before" if before else ""), fontsize=9)
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


def main():
    cases, target, *before = sys.argv[1:]
    old = json.loads(Path(before[0]).read_text()) if before else []
    draw(json.loads(Path(cases).read_text()), old, Path(target))


if __name__ == "__main__":
    main()

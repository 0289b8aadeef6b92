"""The report as tables for a terminal of 80 columns."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from askonce.prices.money import amount
from askonce_worker.evaluate.tables import number
from askonce_worker.replay.words import interval, most_of, paid, remarks, sentences

Record = Mapping[str, Any]
SHOWN = 10
"""Rows per table."""
GROUPS = (("models", "model"), ("templates", "template"), ("namespaces", "namespace"))


def show(report: Record, console: Console) -> None:
    for sentence in sentences(report):
        console.print(escape(sentence))
    for name, title in GROUPS:
        rows = report[name]
        if name == "models" or len(rows) > 1:
            console.print(_groups(title, rows, report))
    if report["thresholds"]:
        console.print(_thresholds(report))
    growth = list(_growth(report))
    if len(growth) > 1:
        console.print(_grown(growth))
    for remark in remarks(report):
        console.print(f"[yellow]{escape(remark)}")


def _groups(title: str, rows: list[Record], report: Record) -> Table:
    most = most_of(rows, SHOWN)
    table = _table(f"by {title}{most}; hits in % of the calls, money in {report['currency']}", title)
    for name in ("calls", "exact", "similar", "joined", "spent", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = [*rows[:SHOWN], *([{**report["total"], "name": "all"}] if len(rows) > 1 else [])]
    for row in shown:
        kinds = [number(row[kind] / max(1, row["calls"])) for kind in ("exact", "semantic", "inflight")]
        cells = (f"{row['calls']:,}", *kinds, paid(row, "spent"), paid(row, "saved"))
        table.add_row(escape(" ".join(row["name"].split())), *cells, style="bold" if row is shown[-1] else None)
    return table


def _thresholds(report: Record) -> Table:
    table = _table("by threshold", "cosine")
    for name in ("hits %", "by another question", "wrong of these (95 %)", "judged"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report["thresholds"]:
        wrong = row["wrong"]
        shown = "" if wrong["share"] is None else interval(wrong)
        cells = (number(row["hit_rate"]), f"{wrong['matches']:,}", shown, f"{wrong['judged']:,}")
        name = f"{row['threshold']:.4f}{' *' if row['configured'] else ''}"
        table.add_row(name, *cells, style="bold" if row["configured"] else None)
    return table


def _growth(report: Record) -> Iterator[tuple[str, Record]]:
    if report["ages"]:
        yield from ((row["age"], row) for row in report["ages"])
        return
    for row in report["growth"][:: max(1, len(report["growth"]) // SHOWN)]:
        yield f"after {row['after_calls']:,} calls", row


def _grown(rows: list[tuple[str, Record]]) -> Table:
    table = _table("as the cache fills", "")
    for name in ("calls", "hits %", "saved"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in rows:
        table.add_row(name, f"{row['calls']:,}", number(row["hit_rate"]), amount(row["saved"]))
    return table


def _table(title: str, first: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False
    )
    table.add_column(first, no_wrap=True, overflow="ellipsis", max_width=28)
    return table

"""The report of a stream as tables for a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from askonce_worker.audit.deciding import LEAST_REQUESTS
from askonce_worker.evaluate.stream.report import Row, Shares, StreamReport
from askonce_worker.evaluate.tables import number, percent


def show(report: StreamReport, console: Console) -> None:
    console.print(_whole(report), _quarters(report))
    console.print(*_sentences(report), sep="\n")


def _whole(report: StreamReport) -> Table:
    title = f"{escape(report.stream)}: {report.requests:,} requests, {report.labels:,} labels; all in % of the requests"
    table = _table(title, "cosine", "hits", "wrong", "checks", "highest wrong")
    for row in report.rows:
        cosine = "" if row.threshold is None else f"{row.threshold:.4f}"
        shares = (row.whole.hits, row.whole.wrong, row.whole.checks, row.worst)
        table.add_row(row.name, cosine, *map(number, shares), style=_style(row, report))
    return table


def _quarters(report: StreamReport) -> Table:
    table = _table("by quarter: hits / wrong / checks", "1st", "2nd", "3rd", "4th")
    for row in report.rows:
        table.add_row(row.name, *map(_cell, row.quarters), style=_style(row, report))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("served by", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cell(shares: Shares) -> str:
    return f"{100 * shares.hits:.1f} {number(shares.wrong)} {100 * shares.checks:.1f}"


def _style(row: Row, report: StreamReport) -> str | None:
    if row.threshold is not None and row.whole.wrong > report.budget:
        return "red"
    return "bold" if row.name == "ledger" else None


def _sentences(report: StreamReport) -> Iterator[str]:
    budget, ledger = percent(report.budget), report.rows[-1]
    order = f"{report.orders} shuffled orders" if report.orders > 1 else "one shuffled order"
    yield f"{order if report.shuffled else 'the order of the file'}; the cache is empty at the start"
    over = f"{ledger.over} of {report.orders} order{'s' * (report.orders > 1)}"
    yield f"budget {budget}: the ledger exceeds it in {over}, worst {percent(ledger.worst)}"
    held = sum(each.low <= each.truth <= each.high for each in report.known)
    first = report.known[0]
    interval = f"{number(first.low)} to {number(first.high)}"
    yield f"wrong hits: {percent(first.wrong)} ({interval}) by its checks alone, {percent(first.truth)} by the labels"
    if report.orders > 1:
        yield f"(in the first order; the 95 % interval covers the truth in {held} of {report.orders} orders)"
    if report.requests <= LEAST_REQUESTS:
        yield f"[yellow]up to {LEAST_REQUESTS:,} requests a ledger uses the profile's threshold"
    if report.without:
        yield f"[yellow]{report.without} questions left out: the model returned no vector for their texts"

"""The report as tables for a terminal."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from askonce_worker.evaluate.figures import Figures
from askonce_worker.evaluate.report import FileReport, Report

PAIRS_ONLY = "pairs cannot show how often a cache is wrong: that depends on what is asked again; see --stream"


def show(report: Report, console: Console) -> None:
    for file in report.files:
        console.print(_thresholds(file, report))
        if file.without:
            console.print(f"[yellow]{file.without} pairs left out: the model returned no vector for one of the texts")
        console.print(*(_rules(file, at) for at in dict.fromkeys(each.threshold for each in file.rules)))
    console.print(_gain(report))
    if report.chosen is not None:
        console.print(_held_out(report))
    console.print(*_verdict(report), sep="\n")


def _thresholds(file: FileReport, report: Report) -> Table:
    table = _table(f"{escape(file.name)}: {file.pairs:,} pairs, {file.same:,} with one answer; all in %")
    table.add_column("cosine\n", justify="right", no_wrap=True)
    for name in ("\nhits", "\nwrong (95 %)", "\nprec."):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("guard on:\nhits", "\nwrong (95 %)", "\nprec.", "hits\nlost"):
        table.add_column(name, justify="right", no_wrap=True, style="cyan")
    for row in file.rows:
        chosen = row.bare.threshold == report.chosen
        lost = "" if row.lost is None else number(row.lost)
        cells = [f"{row.bare.threshold:.4g}", *_cells(row.bare), *_cells(row.guarded), lost]
        table.add_row(*cells, style="bold" if chosen else None)
    return table


def _rules(file: FileReport, threshold: float) -> Table:
    found = [each for each in file.rules if each.threshold == threshold]
    share = number(found[0].share)
    table = _table(f"{escape(file.name)}, each guard rule alone at {threshold:.4g}; at random {share} % precise")
    table.add_column("rule", no_wrap=True)
    for name in ("prevented", "lost", "precision % (95 %)"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        interval = f"{number(each.precision)} ({number(each.low)}-{number(each.high)})"
        table.add_row(each.rule, f"{each.prevented:,}", f"{each.lost:,}", interval)
    return table


def _gain(report: Report) -> Table:
    table = _table(f"where wrong hits reach {percent(report.max_error)} of all pairs")
    table.add_column("file", overflow="fold")
    for name in ("cosine alone at", "hits %", "with the guard at", "hits %"):
        table.add_column(name, justify="right")
    for file in report.files:
        bare, guarded = file.at_max_error
        table.add_row(escape(file.name), *_crossing(bare), *_crossing(guarded))
    return table


def _held_out(report: Report) -> Table:
    table = _table(f"held-out halves at {report.chosen:.4g}")
    table.add_column("file", overflow="fold")
    for name in ("pairs", "hits", "wrong (95 %)", "precision"):
        table.add_column(name, justify="right", no_wrap=True)
    for file in report.files:
        if file.held_out is not None:
            found = file.held_out.guarded
            table.add_row(escape(file.name), f"{found.pairs:,}", *_cells(found))
    return table


def _verdict(report: Report) -> Iterator[str]:
    if report.threshold is not None:
        yield f"[bold]recommended: {report.threshold:.4g}[/] for {escape(report.model)}, guard on"
        yield PAIRS_ONLY
        return
    limit = percent(report.max_error)
    yield f"[bold red]no recommendation[/]: the held-out pairs do not show that wrong hits stay within {limit}"
    yield from (f"[red]{escape(line)}" for line in reasons(report))
    yield PAIRS_ONLY


def reasons(report: Report) -> Iterator[str]:
    """One line for each file that does not show that the limit holds: its figures, and how many pairs it takes."""
    for file in report.files:
        if file.pairs_needed is None:
            continue
        needed = f"{file.pairs_needed:,} pairs are needed, the file has {file.pairs:,}"
        if file.held_out is None:
            yield f"{file.name}: there are too many wrong hits even at a cosine of 1; at least {needed}"
            continue
        found = file.held_out.guarded
        rate = f"{percent(found.wrong)} wrong ({percent(found.wrong_low)} to {percent(found.wrong_high)})"
        least = "" if found.wrong < report.max_error else "at least "
        yield f"{file.name}: {report.chosen:.4g} has {rate} on {found.pairs:,} held-out pairs; {least}{needed}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=0)


def _crossing(found: Figures | None) -> tuple[str, str]:
    return ("", "") if found is None else (f"{found.threshold:.4g}", number(found.hit_rate))


def _cells(found: Figures) -> tuple[str, str, str]:
    interval = f"{number(found.wrong)} ({number(found.wrong_low)}-{number(found.wrong_high)})"
    return number(found.hit_rate), interval, "" if found.precision is None else number(found.precision)


def percent(share: float) -> str:
    return f"{number(share)} %"


def number(share: float) -> str:
    """A share in percent, without the sign."""
    return f"{100 * share:.2f}" if share < 0.0995 else f"{100 * share:.1f}"

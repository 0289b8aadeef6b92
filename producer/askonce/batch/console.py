"""Progress of a run: a bar on a terminal, else a line every ten seconds."""

import sys
import time
from typing import Any, Protocol

from askonce.batch.summary import money
from askonce.batch.totals import SOURCES, RunTotals

EVERY = 10.0
"""Seconds between two lines when there is no terminal."""


class Display(Protocol):
    """Shows the progress of a run."""

    def show(self) -> None: ...

    def close(self) -> None: ...


class Progress:
    """The current figures. total: lines of the input; None for a stream. parked: questions waiting for a provider
    batch, including other runs' questions."""

    def __init__(self, totals: RunTotals, total: int | None, currency: str) -> None:
        self.totals = totals
        self.total = total
        self.parked = 0
        self._currency = currency
        self._before = totals.done
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def line(self) -> str:
        totals = self.totals
        rate = (totals.done - self._before) / max(self.seconds, 1e-3)
        done = f"{totals.done:,}" if self.total is None else f"{totals.done:,}/{self.total:,}"
        parts = [
            f"{done} done, {rate:,.0f}/s{self._eta(rate)}",
            ", ".join(f"{source} {totals.sources[source]:,}" for source in SOURCES),
            f"{totals.calls_saved:,} calls saved",
            f"spent {self._tokens(totals.spent.total, totals.spent.cost)}",
            f"saved {self._tokens(totals.saved.total, totals.saved.cost)}",
            f"{totals.failed:,} failed",
        ]
        if self.parked:
            parts.append(f"{self.parked:,} wait for the provider's batches")
        return " | ".join(parts)

    def _eta(self, rate: float) -> str:
        if self.total is None or not rate:
            return ""
        seconds = round(max(0, self.total - self.totals.done) / rate)
        return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    def _tokens(self, tokens: int, cost: float) -> str:
        return f"{tokens:,} tokens" + (f" ({money(cost, self._currency)})" if cost else "")


class Lines:
    """Writes a line to stderr every `EVERY` seconds."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._next = time.monotonic() + EVERY

    def show(self) -> None:
        if time.monotonic() >= self._next:
            self._next += EVERY
            sys.stderr.write(f"askonce: {self._progress.line()}\n")
            sys.stderr.flush()

    def close(self) -> None:
        pass


class Bar:
    """A bar drawn by rich, with the figures below it. Raises ImportError without rich."""

    def __init__(self, progress: Progress) -> None:
        from rich.console import Console  # noqa: PLC0415 - an extra
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(
            console=Console(stderr=True),
            get_renderable=lambda: drawn(progress),
            refresh_per_second=4,
            transient=True,
        )
        self._live.start()

    def show(self) -> None:
        """Does nothing: the bar draws itself."""

    def close(self) -> None:
        self._live.stop()


def drawn(progress: Progress) -> Any:
    """What rich shows: the bar, if the total is known, and the figures."""
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = Table.grid(expand=True)
    if progress.total:
        rows.add_row(ProgressBar(progress.total, completed=progress.totals.done))
    rows.add_row(Text(progress.line()))
    return rows


def display(progress: Progress) -> Display:
    if sys.stderr.isatty():
        try:
            return Bar(progress)
        except ImportError:
            pass
    return Lines(progress)

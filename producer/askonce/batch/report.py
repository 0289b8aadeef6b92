"""What a person is told: while it runs, and at the end."""

import sys
import time
from typing import Any, Protocol

from askonce.batch.tally import SOURCES, Tally

EVERY = 10.0
"""Seconds between two lines, where there is no terminal to draw on."""


class Display(Protocol):
    def show(self) -> None: ...

    def close(self) -> None: ...


class Progress:
    """The figures of now. total: lines of the input, None of a stream."""

    def __init__(self, tally: Tally, total: int | None, currency: str) -> None:
        self.tally = tally
        self.total = total
        self._currency = currency
        self._before = tally.done
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def line(self) -> str:
        tally = self.tally
        rate = (tally.done - self._before) / max(self.seconds, 1e-3)
        done = f"{tally.done:,}" if self.total is None else f"{tally.done:,}/{self.total:,}"
        parts = [
            f"{done} done, {rate:,.0f}/s{self._eta(rate)}",
            ", ".join(f"{source} {tally.sources[source]:,}" for source in SOURCES),
            f"{tally.calls_saved:,} calls saved",
            f"spent {self._tokens(tally.spent.total, tally.spent.cost)}",
            f"saved {self._tokens(tally.saved.total, tally.saved.cost)}",
            f"{tally.failed:,} failed",
        ]
        return " | ".join(parts)

    def _eta(self, rate: float) -> str:
        if self.total is None or not rate:
            return ""
        seconds = round(max(0, self.total - self.tally.done) / rate)
        return f", {seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    def _tokens(self, tokens: int, cost: float) -> str:
        return f"{tokens:,} tokens" + (f" ({money(cost, self._currency)})" if cost else "")


class Lines:
    """A line on stderr every EVERY seconds."""

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
    """A bar drawn by rich, the figures under it. Raises ImportError where there is no rich."""

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
        """It looks for itself."""

    def close(self) -> None:
        self._live.stop()


def drawn(progress: Progress) -> Any:
    """What rich is to show: the bar, if the end is known, and the figures."""
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - an extra
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = Table.grid(expand=True)
    if progress.total:
        rows.add_row(ProgressBar(progress.total, completed=progress.tally.done))
    rows.add_row(Text(progress.line()))
    return rows


def display(progress: Progress) -> Display:
    if sys.stderr.isatty():
        try:
            return Bar(progress)
        except ImportError:
            pass
    return Lines(progress)


def money(cost: float, currency: str) -> str:
    return f"{cost:,.2f} {currency}" if cost >= 1 else f"{cost:.4f} {currency}"


def summary(tally: Tally, *, seconds: float, currency: str) -> dict[str, Any]:
    """For `--json`."""
    return {
        "lines": tally.done,
        "answered": tally.answered,
        "failed": tally.failed,
        "sources": {source: tally.sources[source] for source in SOURCES},
        "errors": dict(tally.errors),
        "llm_calls": tally.sources["llm"],
        "calls_saved": tally.calls_saved,
        "spent": _account(tally.spent, currency),
        "saved": _account(tally.saved, currency),
        "models_without_price": sorted(tally.unpriced),
        "seconds": round(seconds, 3),
    }


def _account(tokens: Any, currency: str) -> dict[str, Any]:
    return {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": tokens.completion,
        "cost": round(tokens.cost, 6),
        "currency": currency,
    }


def table(tally: Tally, *, seconds: float, currency: str) -> str:
    rows = [("lines", f"{tally.done:,}"), ("answered", f"{tally.answered:,}")]
    rows += [(f"  {source}", f"{tally.sources[source]:,}") for source in SOURCES]
    rows += [("failed", f"{tally.failed:,}")]
    rows += [(f"  {code}", f"{count:,}") for code, count in tally.errors.most_common()]
    rows += [("LLM calls saved", f"{tally.calls_saved:,}")]
    for name, tokens in (("spent", tally.spent), ("saved", tally.saved)):
        rows.append((f"tokens {name}", f"{tokens.total:,}"))
        if tokens.cost:
            rows.append((f"money {name}", money(tokens.cost, currency)))
    if tally.unpriced:
        rows.append(("without a price", ", ".join(sorted(tally.unpriced))))
    rows.append(("time", f"{seconds:.1f} s"))
    return "\n".join(f"{name:<18} {value:>14}" for name, value in rows)

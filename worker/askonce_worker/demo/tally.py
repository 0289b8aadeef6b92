"""What the demo has seen so far, and how it is shown."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles

from rich.table import Table

from askonce.answer import Answer

SOURCES = {
    "exact": "the same question, from the cache",
    "semantic": "the same in other words, from the cache",
    "inflight": "joined one that was being asked",
    "llm": "asked the model",
}


@dataclass(slots=True)
class Tally:
    """latencies: seconds, of the answers that called the model and of those that did not."""

    sources: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)
    matches: list[tuple[str, str, float, str]] = field(default_factory=list)

    def add(self, question: str, answer: Answer, seconds: float) -> None:
        source = answer.source or "failed"
        self.sources[source] += 1
        (self.misses if source == "llm" else self.hits).append(seconds)
        if answer.matched_question and answer.matched_question != question:
            self.matches.append((question, answer.matched_question, answer.similarity or 0.0, source))

    def fail(self, question: str, reason: str) -> None:
        self.failed.append((question, reason))

    @property
    def answered(self) -> int:
        return sum(self.sources.values())

    @property
    def saved(self) -> int:
        return self.answered - self.sources["llm"]

    def summary(self) -> Table:
        table = Table(title="askonce: ask once, answer many", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_column(style="dim")
        table.add_row("questions answered", str(self.answered), "")
        table.add_row("LLM calls", str(self.sources["llm"]), "")
        share = self.saved / self.answered if self.answered else 0.0
        table.add_row("calls saved", f"{self.saved} ({share:.0%})", "", end_section=True)
        for source, meaning in SOURCES.items():
            table.add_row(f"  {source}", str(self.sources[source]), meaning)
        if self.failed:
            table.add_row("  failed", str(len(self.failed)), "", style="red")
        table.add_section()
        for name, values in (("hit", self.hits), ("miss", self.misses)):
            p50, p95 = _percentiles(values)
            table.add_row(f"{name} p50 / p95", f"{_ms(p50)} / {_ms(p95)}", _LATENCY[name])
        return table

    def examples(self, most: int = 12) -> Table:
        table = Table(title="what was matched to what", title_justify="left")
        table.add_column("question")
        table.add_column("answered with the answer to")
        table.add_column("similarity", justify="right")
        table.add_column("how")
        spread = sorted(self.matches, key=lambda match: match[2])
        step = max(1, len(spread) // most)
        for question, matched, similarity, source in spread[::step][:most]:
            table.add_row(question, matched, f"{similarity:.3f}", source)
        return table

    def near_misses(self, near: list[tuple[str, str, float]]) -> Table:
        table = Table(title="alike, and rightly kept apart", title_justify="left")
        table.add_column("question")
        table.add_column("would have been confused with")
        table.add_column("similarity", justify="right")
        for question, other, similarity in near:
            table.add_row(question, other, f"{similarity:.3f}")
        return table


_LATENCY = {"hit": "all that did not call the model", "miss": "all that did: the model's own time on this machine"}


def _percentiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"

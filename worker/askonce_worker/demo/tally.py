"""What the demo has counted so far, and the tables that show it."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles

from rich.table import Table
from rich.text import Text

from askonce.answer import Answer
from askonce.prices.load import Prices, load_prices
from askonce.prices.money import from_nano

SOURCES = {
    "exact": "the same question, from the cache",
    "semantic": "the same in other words, from the cache",
    "inflight": "joined one that was being asked",
    "llm": "asked the model",
}
PRICED_AS = "gpt-4o-mini"
"""The demo's own model is free: its tokens are shown at this one's list price."""
MILLION = 1_000_000


@dataclass(slots=True)
class DemoTally:
    """hits, misses: seconds that each answer took without and with an LLM call.
    spent, saved: billionths of a dollar at list price, of the calls made and of those saved.
    """

    sources: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, str]] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    misses: list[float] = field(default_factory=list)
    matches: list[tuple[str, str, float, str]] = field(default_factory=list)
    spent: int = 0
    saved: int = 0
    prices: Prices = field(default_factory=load_prices)

    def add(self, question: str, answer: Answer, seconds: float) -> None:
        source = answer.source or "failed"
        self.sources[source] += 1
        cost = self.prices.cost(PRICED_AS, answer.usage or {}) or 0
        if source == "llm":
            self.misses.append(seconds)
            self.spent += cost
        else:
            self.hits.append(seconds)
            self.saved += cost
        if answer.matched_question and answer.matched_question != question:
            self.matches.append((question, answer.matched_question, answer.similarity or 0.0, source))

    def fail(self, question: str, reason: str) -> None:
        self.failed.append((question, reason))

    @property
    def answered(self) -> int:
        return sum(self.sources.values())

    @property
    def calls_saved(self) -> int:
        return self.answered - self.sources["llm"]

    def summary(self) -> Table:
        table = Table(title="askonce: ask once, answer many", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_column(style="dim")
        table.add_row("questions answered", str(self.answered), "")
        table.add_row("LLM calls", str(self.sources["llm"]), "")
        share = self.calls_saved / self.answered if self.answered else 0.0
        table.add_row("calls saved", f"{self.calls_saved} ({share:.0%})", "", end_section=True)
        for source, meaning in SOURCES.items():
            table.add_row(f"  {source}", str(self.sources[source]), meaning)
        if self.failed:
            table.add_row("  failed", str(len(self.failed)), "", style="red")
        table.add_section()
        for name, nano in (("money spent", self.spent), ("money saved", self.saved)):
            table.add_row(name, f"{self._per_million(nano):.2f} USD", _MONEY)
        table.add_section()
        for name, values in (("hit", self.hits), ("miss", self.misses)):
            p50, p95 = _percentiles(values)
            table.add_row(f"{name} p50 / p95", f"{_ms(p50)} / {_ms(p95)}", _LATENCY[name])
        return table

    def _per_million(self, nano: int) -> float:
        return from_nano(nano) / self.answered * MILLION if self.answered else 0.0

    def examples(self, most: int = 12) -> Table:
        """A sample of the matches whose texts differ, from the least to the most similar."""
        table = Table(title="what was matched to what", title_justify="left")
        table.add_column("question")
        table.add_column("answered with the answer to")
        table.add_column("similarity", justify="right")
        table.add_column("how")
        spread = sorted(self.matches, key=lambda match: match[2])
        step = max(1, len(spread) // most)
        for question, matched, similarity, source in spread[::step][:most]:
            table.add_row(Text(question), Text(matched), f"{similarity:.3f}", source)
        return table


def near_misses(near: list[tuple[str, str, float]]) -> Table:
    table = Table(title="alike, and rightly kept apart", title_justify="left")
    table.add_column("question")
    table.add_column("would have been confused with")
    table.add_column("similarity", justify="right")
    for question, other, similarity in near:
        table.add_row(Text(question), Text(other), f"{similarity:.3f}")
    return table


_MONEY = f"a million such questions, {PRICED_AS}'s price"
_LATENCY = {"hit": "all without a call to the model", "miss": "all with one: the model's own time here"}


def _percentiles(values: list[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"

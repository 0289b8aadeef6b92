"""The soak's outcome: a table, the figures, and what is at fault."""

import statistics
from collections.abc import Mapping
from typing import Any

from soak_chaos import Chaos
from soak_ledger import Ledger, Paid
from soak_left import Memory

MEASURED_FROM = 540.0
"""Seconds from which on a slope in ten minutes can be told."""
MOST_SLOPE = 1.0
"""% in ten minutes."""
PERCENTILES = (50, 95, 99)
ONCE = ("semantic", "inflight", "llm")
"""Sources that nobody but a worker publishes."""


class Report:
    """stats: of the LLM server. counted: what askonce itself counted."""

    def __init__(
        self,
        ledger: Ledger,
        chaos: Chaos,
        memory: Memory,
        *,
        stats: Mapping[str, int],
        counted: Mapping[bytes, bytes],
        left: Mapping[str, int],
    ) -> None:
        self.ledger, self.chaos, self.memory, self.stats, self.left = ledger, chaos, memory, stats, left
        self.counted = dict.fromkeys(ONCE, 0)
        for counter, count in counted.items():
            name = counter.decode().partition("|")[0]
            if name in self.counted:
                self.counted[name] += int(count)
        self.again = paid_again(ledger, chaos)

    def faults(self) -> dict[str, list[str]]:
        ledger = self.ledger
        faults = {kind: list(told) for kind, told in ledger.faults.items()}
        if self.left:
            faults["left"] = [f"{name}: {count}" for name, count in self.left.items()]
        if self.chaos.pool.faults:
            faults["workers"] = self.chaos.pool.faults
        if self.again:
            faults["paid again"] = self.again
        if self.wasted > self.allowed:
            faults["calls"] = [f"{self.wasted} came to nothing, and {self.allowed} are explained"]
        told = {name: ledger.sources[name] for name in ONCE}
        more = {name: self.counted[name] - told[name] for name in ONCE}
        if sum(map(abs, more.values())) > ledger.unsure:
            faults["published"] = [f"{self.counted}, and the clients were told {told}"]
        return faults | self._growth()

    def _growth(self) -> dict[str, list[str]]:
        if self.memory.seconds < MEASURED_FROM:
            return {}
        slopes = {name: self.memory.slope(place) for place, name in ((1, "Redis"), (2, "worker"))}
        grown = [f"{name}: {slope:+.2f} % in 10 minutes" for name, slope in slopes.items() if slope >= MOST_SLOPE]
        return {"memory": grown} if grown else {}

    @property
    def wasted(self) -> int:
        """Calls that the LLM took on and no question got as its own."""
        return self.stats["answered"] + self.stats["disconnected"] - len(self.ledger.numbers)

    @property
    def allowed(self) -> int:
        return self.chaos.wasted + self.ledger.unsure

    def facts(self) -> dict[str, Any]:
        ledger, chaos = self.ledger, self.chaos
        return {
            "questions": ledger.questions,
            "sources": dict(ledger.sources),
            "failed": dict(ledger.failures),
            "re-read": ledger.reread,
            "expired before they were re-read": ledger.not_reread,
            "LLM": {name: self.stats[name] for name in ("calls", "answered", "failed", "refused_by_limit")},
            "calls that came to nothing": {"seen": self.wasted, "of killed and frozen workers": self.allowed},
            "what befell it": {**chaos.done, "workers started": chaos.pool.lives},
            "errors in the workers' logs": dict(chaos.pool.errors()),
            "latency in ms": {name: _percentiles(times) for name, times in sorted(ledger.latencies.items())},
            "memory": {"Redis": self._memory(1), "worker": self._memory(2)},
            "keys in Redis": {"at most": max(self.memory.column(3), default=0)},
            "faults": {kind: len(told) for kind, told in self.faults().items()},
        }

    def _memory(self, place: int) -> dict[str, Any]:
        column = self.memory.column(place)
        thirds = [column[at * len(column) // 3 : (at + 1) * len(column) // 3] for at in range(3)]
        means = {f"MB, third {n}": round(statistics.mean(third) / 2**20, 1) for n, third in enumerate(thirds, 1)}
        slope = round(self.memory.slope(place), 2) if self.memory.seconds >= MEASURED_FROM else "too short to tell"
        return means | {"% in 10 minutes": slope}

    def show(self) -> None:
        for name, value in self.facts().items():
            several = value.items() if isinstance(value, dict) else [("", value)]
            for at, (what, figure) in enumerate(several):
                print(f"{name if at == 0 else '':<34} {what:<28} {_shown(figure)}", flush=True)
        for kind, told in self.faults().items():
            print(f"\n{kind}: {len(told)}", *(f"  {line}" for line in told if line), sep="\n", flush=True)
        print("\nnothing lost, doubled, wrong, stale or left behind" if not self.faults() else "\nFAULTS", flush=True)


def paid_again(ledger: Ledger, chaos: Chaos) -> list[str]:
    """Calls for what had just been answered: neither expired nor invalidated, and no server away meanwhile."""
    found = []
    for topic, several in ledger.paid.items():
        kept: Paid | None = None
        for paid in sorted(several, key=lambda each: each.number):
            if kept is not None and _needless(kept, paid, topic, ledger, chaos):
                found.append(f"{topic.tag} scope {topic.scope}: {_told(kept)}; {_told(paid)}")
            if paid.asked.question.cache != "bypass":
                kept = paid
    return found


def _told(paid: Paid) -> str:
    asked = paid.asked
    return f"call {paid.number}, asked {asked.at:.3f} ({asked.way}, {asked.question.cache}), answered {asked.done:.3f}"


def _needless(kept: Paid, paid: Paid, topic: Any, ledger: Ledger, chaos: Chaos) -> bool:
    begin, end = min(kept.asked.at, paid.asked.at), paid.asked.done
    expired = paid.asked.done > kept.asked.done + ledger.ttl(kept.asked) - 1.5
    # One that asks again follows nobody, not even who asks already.
    apart = kept.asked.question.cache == "refresh" and paid.asked.at < kept.asked.done
    invalidated = any(at <= end and until >= begin for at, until, scope in chaos.invalidated if scope == topic.scope)
    away = any(at <= end and until >= begin for at, until in chaos.away)
    return paid.asked.question.cache == "use" and not (expired or apart or invalidated or away)


def _shown(figure: Any) -> str:
    if isinstance(figure, dict):
        return ", ".join(f"{name} {_shown(value)}" for name, value in figure.items())
    return figure if isinstance(figure, str) else f"{figure:,}"


def _percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    marks = {f"p{mark}": ordered[min(len(ordered) - 1, len(ordered) * mark // 100)] for mark in PERCENTILES}
    return {"count": len(ordered)} | {name: round(1000 * value, 1) for name, value in marks.items()}

"""What the counters in Redis say. Pure.

A counter is `name|namespace|model`. The names:

    exact semantic inflight llm failed      answers, by where they came from
    calls call_errors                       requests to the provider, retries included, and those that failed
    tokens_in tokens_cached tokens_out      what these cost, by the provider's own count (cached: part of in)
    saved_in saved_out                      what the answers that needed no call would have cost
    wrong                                   hits reported as wrong
    cancelled                               questions that were withdrawn before anyone worked on them (no model)
    hit:B joined:B miss:B                   how long answers took: from a cache, from another's call, from a call
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.prices import Prices, as_count

RATIO = 1.2
"""Bucket B holds the durations from RATIO**B microseconds on; its middle is within 10 % of each (publish.lua)."""
SOURCES = ("exact", "semantic", "inflight", "llm", "failed")
FREE = SOURCES[:3]
WAITS = ("hit", "joined", "miss")
PERCENTILES = (0.5, 0.95, 0.99)


def bucket(seconds: float) -> int:
    return math.floor(math.log(max(1.0, seconds * 1e6)) / math.log(RATIO))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """In seconds, within 10 %; None where nothing was counted."""
    rank = math.ceil(share * sum(buckets.values()))
    for number in sorted(buckets):
        rank -= buckets[number]
        if rank <= 0:
            middle: float = RATIO ** (number + 0.5)
            return middle / 1e6
    return None


def tokens(body: Mapping[str, Any] | None) -> tuple[int, int, int]:
    """Of the prompt, of the completion, and of the prompt from the provider's cache; 0 where it does not say."""
    usage = body.get("usage") if body is not None else None
    if not isinstance(usage, Mapping):
        return 0, 0, 0
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens")), as_count(cached)


@dataclass(slots=True)
class Figures:
    """Of one model in one namespace, or of several. money: spent and saved; None where a price is not known."""

    counts: Counter[str] = field(default_factory=Counter)
    waits: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in WAITS})
    spent: float | None = 0.0
    saved: float | None = 0.0

    def add(self, other: "Figures") -> None:
        self.counts.update(other.counts)
        for name in WAITS:
            self.waits[name].update(other.waits[name])
        self.spent = _sum(self.spent, other.spent)
        self.saved = _sum(self.saved, other.saved)

    def report(self) -> dict[str, Any]:
        """As `askonce stats --json` prints it. Durations in seconds."""
        counts = self.counts
        questions = sum(counts[name] for name in SOURCES)
        free = sum(counts[name] for name in FREE)
        return {
            "questions": questions,
            "llm_calls": counts["calls"],
            "failed_calls": counts["call_errors"],
            "calls_saved": free,
            "hits": {name: counts[name] for name in FREE},
            "failed": counts["failed"],
            "cancelled": counts["cancelled"],
            "wrong_hits": counts["wrong"],
            "hit_rate": free / questions if questions else None,
            "tokens": {"input": counts["tokens_in"], "cached": counts["tokens_cached"], "output": counts["tokens_out"]},
            "tokens_saved": {"input": counts["saved_in"], "output": counts["saved_out"]},
            "money_spent": self.spent,
            "money_saved": self.saved,
            "latency": {
                name: {f"p{share * 100:.0f}": percentile(buckets, share) for share in PERCENTILES}
                for name, buckets in self.waits.items()
            },
        }


def read_counters(fields: Mapping[bytes, int], prices: Prices) -> dict[tuple[str, str], Figures]:
    """By namespace and model."""
    found: dict[tuple[str, str], Figures] = {}
    for raw, count in fields.items():
        name, namespace, model = raw.decode().split("|", 2)
        figures = found.setdefault((namespace, model), Figures())
        wait, colon, number = name.partition(":")
        if colon:
            figures.waits[wait][int(number)] += count
        else:
            figures.counts[name] += count
    for (_, model), figures in found.items():
        counts = figures.counts
        details = {"cached_tokens": counts["tokens_cached"]}
        figures.spent = _cost(prices, model, counts["tokens_in"], counts["tokens_out"], details)
        figures.saved = _cost(prices, model, counts["saved_in"], counts["saved_out"], {})
    return found


def total(parts: Iterable[Figures]) -> Figures:
    whole = Figures()
    for part in parts:
        whole.add(part)
    return whole


def _cost(prices: Prices, model: str, prompt: int, completion: int, details: Mapping[str, int]) -> float | None:
    if prompt == completion == 0:
        return 0.0
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    return prices.cost(model, usage)


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other

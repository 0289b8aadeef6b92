"""The meaning of the counters in Redis. Pure.

A counter is called `name|namespace|model`. The names:

    exact semantic inflight llm failed      answers, by where they came from
    calls call_errors                       requests to the provider, retries included, and those that failed
    tokens_in tokens_cached tokens_out      their tokens, as the provider counts them (cached: part of in)
    tokens_in:T tokens_cached:T tokens_out:T    of these, those of a tier that is not the standard one
    cost                                    what they cost by the workers' prices, in billionths
    priced_in priced_cached priced_out      the tokens that are in `cost`
    saved_in saved_out                      the tokens that answers without a call would have cost
    wrong                                   hits reported as wrong
    cancelled                               questions withdrawn before a worker took them (no model)
    unmatched:REASON                        questions sent to the LLM without a similarity lookup
    waited                                  questions whose similarity lookup waited for a slow server
    hit:B joined:B miss:B                   seconds from submit to answer, by bucket: a cached answer, the answer to
                                            another question in flight, one of an LLM call of its own

Readers ignore names they do not know: a newer client or worker may write them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.prices.counts import STANDARD, Tokens, as_count, usage_of
from askonce.prices.load import Prices
from askonce.prices.money import from_nano

RATIO = 1.2
"""Bucket B begins at RATIO**B microseconds; its middle is within 10 % of every duration in it (publish_answers.lua)."""
SOURCES = ("exact", "semantic", "inflight", "llm", "failed")
FREE = SOURCES[:3]
WAITS = ("hit", "joined", "miss")
PERCENTILES = (0.5, 0.95, 0.99)
UNMATCHED = "unmatched:"
TIERS = ("flex", "batch", "priority")
"""Tiers whose tokens are counted separately."""
KINDS = ("in", "cached", "out")


def bucket(seconds: float) -> int:
    return math.floor(math.log(max(1.0, seconds * 1e6)) / math.log(RATIO))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Seconds, within 10 %; None if nothing was counted."""
    rank = math.ceil(share * sum(buckets.values()))
    for number in sorted(buckets):
        rank -= buckets[number]
        if rank <= 0:
            middle: float = RATIO ** (number + 0.5)
            return middle / 1e6
    return None


def tokens(body: Mapping[str, Any] | None) -> tuple[int, int, int]:
    """Tokens of the prompt, of the completion, and of the prompt read from the provider's cache; 0 if missing."""
    usage = usage_of(body)
    if usage is None:
        return 0, 0, 0
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens")), as_count(cached)


@dataclass(slots=True)
class Figures:
    """Figures of one model in one namespace, or of several.

    spent, saved: billionths of the currency, without the models in `unpriced`, which have no price.
    """

    counts: Counter[str] = field(default_factory=Counter)
    waits: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in WAITS})
    spent: int = 0
    saved: int = 0
    unpriced: set[str] = field(default_factory=set)

    def add(self, other: "Figures") -> None:
        self.counts.update(other.counts)
        for name in WAITS:
            self.waits[name].update(other.waits[name])
        self.spent += other.spent
        self.saved += other.saved
        self.unpriced |= other.unpriced

    def price(self, prices: Prices, model: str) -> None:
        """Sets the cost and savings of these figures of one model.

        Costs counted by workers are kept, unless the prices are the user's own. The rest was counted by older workers,
        or for a model that had no price at the time.
        """
        counts, counted = self.counts, 0 if prices.own else self.counts["cost"]
        spent = [prices.total(model, each, tier) for tier, each in self._uncounted(own=prices.own).items()]
        saved = prices.total(model, (counts["saved_in"], 0, counts["saved_out"]))
        if None in spent or saved is None:
            self.unpriced = {model}
        self.spent, self.saved = counted + sum(filter(None, spent)), saved or 0

    def _uncounted(self, *, own: bool) -> dict[str, Tokens]:
        """Tokens whose cost is not counted yet, by tier."""
        counted = {tier: _tokens(self.counts, "tokens", f":{tier}") for tier in TIERS} if own else {}
        without = [*counted.values()] if own else [_tokens(self.counts, "priced")]
        whole = _tokens(self.counts, "tokens")
        rest = [max(0, all_of_it - sum(parts)) for all_of_it, *parts in zip(whole, *without, strict=True)]
        return {STANDARD: (rest[0], rest[1], rest[2]), **counted}

    @property
    def questions(self) -> int:
        return sum(self.counts[name] for name in SOURCES)

    def report(self) -> dict[str, Any]:
        """The report that `askonce stats --json` prints. Durations are in seconds."""
        counts, questions = self.counts, self.questions
        free = sum(counts[name] for name in FREE)
        return {
            "questions": questions,
            "llm_calls": counts["calls"],
            "failed_calls": counts["call_errors"],
            "calls_saved": free,
            "hits": {name: counts[name] for name in FREE},
            "failed": counts["failed"],
            "cancelled": counts["cancelled"],
            "unmatched": {
                name.removeprefix(UNMATCHED): count
                for name, count in sorted(counts.items())
                if name.startswith(UNMATCHED)
            },
            "waited": counts["waited"],
            "wrong_hits": counts["wrong"],
            "hit_rate": free / questions if questions else None,
            "tokens": {"input": counts["tokens_in"], "cached": counts["tokens_cached"], "output": counts["tokens_out"]},
            "tokens_by_tier": {
                tier: dict(zip(("input", "cached", "output"), _tokens(counts, "tokens", f":{tier}"), strict=True))
                for tier in TIERS
                if counts[f"tokens_in:{tier}"]
            },
            "tokens_saved": {"input": counts["saved_in"], "output": counts["saved_out"]},
            "money_spent": self._money(self.spent),
            "money_saved": self._money(self.saved),
            "unpriced_models": sorted(self.unpriced),
            "latency": {
                name: {f"p{share * 100:.0f}": percentile(buckets, share) for share in PERCENTILES}
                for name, buckets in self.waits.items()
            },
        }

    def _money(self, known: int) -> float | None:
        """None if nothing in it has a price."""
        return from_nano(known) if known or not self.unpriced else None


def read_counters(fields: Mapping[bytes, int], prices: Prices) -> dict[tuple[str, str], Figures]:
    """The figures by namespace and model."""
    found: dict[tuple[str, str], Figures] = {}
    for raw, count in fields.items():
        name, namespace, model = raw.decode().split("|", 2)
        figures = found.setdefault((namespace, model), Figures())
        wait, _, number = name.partition(":")
        if wait in WAITS and number.isdecimal():
            figures.waits[wait][int(number)] += count
        else:
            figures.counts[name] += count
    for (_, model), figures in found.items():
        figures.price(prices, model)
    return found


def total(parts: Iterable[Figures]) -> Figures:
    whole = Figures()
    for part in parts:
        whole.add(part)
    return whole


def _tokens(counts: Mapping[str, int], name: str, tier: str = "") -> Tokens:
    read, cached, written = (counts[f"{name}_{kind}{tier}"] for kind in KINDS)
    return read, cached, written

"""Counts of the outcomes of lines, taken from the records in the output."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from askonce.contract.completion import verdict
from askonce.contract.counters import tokens as counted
from askonce.prices.load import Prices, cost_of_reply
from askonce.prices.money import from_nano, to_nano
from askonce.replies.shapes import is_reply

SOURCES = ("exact", "semantic", "inflight", "llm")
STANDARD = "standard"
MALFORMED = "invalid_request"
"""The error code of lines that were never asked."""


@dataclass
class TokenCount:
    """Tokens of several calls, and their cost in billionths. cached: from the provider's cache."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    nano: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion

    @property
    def cost(self) -> float:
        return from_nano(self.nano)

    def dump(self) -> dict[str, Any]:
        """In the form that earlier releases read."""
        return {"prompt": self.prompt, "completion": self.completion, "cost": self.cost}


@dataclass
class RunTotals:
    """Counts of the lines that are done.

    Attributes:
        sources: Answered lines, by source.
        errors: Failed lines, by code or HTTP status.
        flaws: Answered lines that are not cached: `truncated`, `empty` or `refused`.
        unmatched: Answered lines that were sent to the LLM without a similarity lookup, by reason.
        waited: Answered lines whose similarity lookup waited for a slow server, under `waited`.
        tiers: LLM calls that answered, by billing tier; `standard` if the provider names none.
        spent: Tokens of the calls these lines made.
        saved: Tokens of the calls they did not need.
        unpriced: Models without a price.
    """

    sources: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    flaws: Counter[str] = field(default_factory=Counter)
    unmatched: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    spent: TokenCount = field(default_factory=TokenCount)
    saved: TokenCount = field(default_factory=TokenCount)
    unpriced: set[str] = field(default_factory=set)

    @property
    def answered(self) -> int:
        return sum(self.sources.values())

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def done(self) -> int:
        return self.answered + self.failed

    @property
    def calls_saved(self) -> int:
        return self.answered - self.sources["llm"]

    def add(self, record: dict[str, Any], prices: Prices, *, asked: str | None = None) -> None:
        """Counts one output record. asked: the model of its request, if known."""
        response, error, facts = record["response"], record["error"], record["askonce"]
        if error is not None:
            self.errors[error["code"]] += 1
            if facts.get("billed"):
                self._add_usage(self.spent, facts, self._cost_of(facts, facts, prices, asked or ""))
        elif response["status_code"] != 200:
            self.errors[f"HTTP {response['status_code']}"] += 1
        else:
            self._add_answer(facts, response["body"], prices, asked or "")

    def _add_answer(self, facts: Mapping[str, Any], body: dict[str, Any], prices: Prices, asked: str) -> None:
        self.sources[facts["source"]] += 1
        if facts["billed"]:
            self.tiers[facts.get("tier") or STANDARD] += 1
        if is_reply(body) and (found := verdict(body).value) != "good":
            self.flaws[found] += 1
        if "unmatched" in facts:
            self.unmatched[facts["unmatched"]] += 1
        if "waited" in facts:
            self.waited["waited"] += 1
        cost = self._cost_of(facts, body, prices, asked)
        self._add_usage(self.spent if facts["billed"] else self.saved, body, cost)

    def _cost_of(self, facts: Mapping[str, Any], body: Mapping[str, Any], prices: Prices, asked: str) -> int | None:
        if "cost" in facts and not prices.own:
            return to_nano(facts["cost"])
        return cost_of_reply(prices, body, asked, tier=facts.get("tier"))

    def _add_usage(self, tokens: TokenCount, body: Mapping[str, Any], cost: int | None) -> None:
        prompt, completion, cached = counted(body)
        tokens.prompt += prompt
        tokens.completion += completion
        tokens.cached += cached
        if cost is not None:
            tokens.nano += cost
        elif prompt or completion:
            model = body.get("model")
            self.unpriced.add(model if isinstance(model, str) and model else "(no model)")

    def forget_failures(self) -> None:
        """Resets the failures, because those lines run again."""
        self.errors.clear()

    def dump(self) -> dict[str, Any]:
        """For JSON. (`asdict` miscounts a Counter.)"""
        return {
            **{name: dict(getattr(self, name)) for name in COUNTERS},
            "spent": self.spent.dump(),
            "saved": self.saved.dump(),
            "exactly": {"spent": asdict(self.spent), "saved": asdict(self.saved)},
            "unpriced": sorted(self.unpriced),
        }


COUNTERS = ("sources", "errors", "flaws", "unmatched", "waited", "tiers")


def load_totals(dumped: dict[str, Any] | None) -> RunTotals:
    """Loads what `dump` made, or None for a new run. Journals of the first releases lack some counters."""
    if dumped is None:
        return RunTotals()
    return RunTotals(
        **{name: Counter(dumped.get(name, {})) for name in COUNTERS},
        spent=_count(dumped, "spent"),
        saved=_count(dumped, "saved"),
        unpriced=set(dumped["unpriced"]),
    )


def _count(dumped: dict[str, Any], name: str) -> TokenCount:
    """Earlier releases stored `cost` in units of the currency."""
    if "exactly" in dumped:
        return TokenCount(**dumped["exactly"][name])
    known = dumped[name]
    return TokenCount(known["prompt"], known["completion"], nano=to_nano(known["cost"]))

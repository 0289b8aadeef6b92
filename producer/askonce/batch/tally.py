"""What came of the lines: counted from the very records that stand in the output."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from askonce.contract.counters import tokens as counted
from askonce.prices import Prices

SOURCES = ("exact", "semantic", "inflight", "llm")


@dataclass
class Tokens:
    prompt: int = 0
    completion: int = 0
    cost: float = 0.0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


@dataclass
class Tally:
    """sources: answered lines by source. errors: failed lines by code or status. unpriced: models without a price."""

    sources: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    spent: Tokens = field(default_factory=Tokens)
    saved: Tokens = field(default_factory=Tokens)
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

    def add(self, record: dict[str, Any], prices: Prices) -> None:
        response, error = record["response"], record["error"]
        if error is not None:
            self.errors[error["code"]] += 1
        elif response["status_code"] != 200:
            self.errors[f"HTTP {response['status_code']}"] += 1
        else:
            facts = record["askonce"]
            self.sources[facts["source"]] += 1
            self._add_usage(self.spent if facts["billed"] else self.saved, response["body"], prices)

    def _add_usage(self, tokens: Tokens, body: dict[str, Any], prices: Prices) -> None:
        prompt, completion, cached = counted(body)
        tokens.prompt += prompt
        tokens.completion += completion
        usage = {"prompt_tokens": prompt, "completion_tokens": completion}
        model = body.get("model")
        model = model if isinstance(model, str) else ""
        cost = prices.cost(model, {**usage, "prompt_tokens_details": {"cached_tokens": cached}})
        if cost is not None:
            tokens.cost += cost
        elif any(usage.values()):
            self.unpriced.add(model)

    def forget_failures(self) -> None:
        self.errors.clear()

    def dump(self) -> dict[str, Any]:
        """For JSON. (`asdict` miscounts a Counter.)"""
        return {
            "sources": dict(self.sources),
            "errors": dict(self.errors),
            "spent": asdict(self.spent),
            "saved": asdict(self.saved),
            "unpriced": sorted(self.unpriced),
        }


def load_tally(dumped: dict[str, Any] | None) -> Tally:
    if dumped is None:
        return Tally()
    return Tally(
        Counter(dumped["sources"]),
        Counter(dumped["errors"]),
        Tokens(**dumped["spent"]),
        Tokens(**dumped["saved"]),
        set(dumped["unpriced"]),
    )

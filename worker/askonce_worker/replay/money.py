"""What calls cost, as logged or by price, and what they would have cost at other tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.prices.counts import STANDARD, Tokens, as_count, tier_of_reply
from askonce.prices.load import Prices, cost_of_reply

TIERS = ("flex", "batch")
LONG = 100_000
"""Prompt tokens from which some models have a different price."""


@dataclass(frozen=True, slots=True)
class Cost:
    """In billionths. paid: what the call cost; None if unknown. tiers: the cost at each of `TIERS`, the same as paid if
    a tier has no price."""

    paid: int | None
    tiers: tuple[int, ...] = ()


UNKNOWN = Cost(None, (0,) * len(TIERS))


class Costs:
    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def of(self, model: str, body: Mapping[str, Any] | None, logged: int | None) -> Cost:
        """logged: the cost in the log. It takes precedence over the prices, unless they are the user's own."""
        by_price = self._by_price(model, body) if body is not None and (logged is None or self._prices.own) else None
        paid = logged if by_price is None else by_price
        if paid is None:
            return UNKNOWN
        if not paid or body is None:
            return Cost(paid, (paid,) * len(TIERS))
        tokens = _tokens_of(body)
        standard = self._total(model, body, tokens, STANDARD)
        return Cost(paid, tuple(self._at(tier, model, body, tokens, paid, standard) for tier in TIERS))

    def _by_price(self, model: str, body: Mapping[str, Any]) -> int | None:
        """Takes a shortcut where the result is the same: short prompts at the standard tier, without reasoning."""
        tokens, usage = _tokens_of(body), body.get("usage")
        if tokens[0] >= LONG or tier_of_reply(body) != STANDARD or _thought(usage) or not any(tokens):
            return cost_of_reply(self._prices, body, model)
        return self._total(model, body, tokens, STANDARD)

    def _total(self, model: str, body: Mapping[str, Any], tokens: Tokens, tier: str) -> int | None:
        named = body.get("model")
        cost = self._prices.total(named, tokens, tier) if isinstance(named, str) and named else None
        return self._prices.total(model, tokens, tier) if cost is None else cost

    def _at(
        self, tier: str, model: str, body: Mapping[str, Any], tokens: Tokens, paid: int, standard: int | None
    ) -> int:
        """Never more than what was paid: a call that was cheaper stays cheaper."""
        cost = self._total(model, body, tokens, tier)
        return paid if cost is None or not standard else min(paid, round(paid * cost / standard))


def _tokens_of(body: Mapping[str, Any]) -> Tokens:
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return 0, 0, 0
    details = usage.get("prompt_tokens_details")
    prompt = as_count(usage.get("prompt_tokens"))
    cached = as_count(details.get("cached_tokens"), prompt + 1) if isinstance(details, Mapping) else 0
    return prompt, cached, as_count(usage.get("completion_tokens"))


def _thought(usage: Any) -> bool:
    details = usage.get("completion_tokens_details") if isinstance(usage, Mapping) else None
    return isinstance(details, Mapping) and any(map(as_count, details.values()))

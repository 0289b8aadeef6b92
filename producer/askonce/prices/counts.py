"""Tokens as providers and requests count them, without what makes no sense. Pure."""

from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 2**31
"""Of one call. A larger number is no count of tokens, and would overflow a counter before long."""
Tokens = tuple[int, int, int]
"""Read, read out of the provider's cache (a part of the first), and written."""
STANDARD = "standard"
USUAL = frozenset({"auto", "default", "standard", "on_demand"})
"""Tiers of a reply that are paid at the standard price."""


def as_count(value: Any, most: float = MOST_TOKENS) -> int:
    """A number of tokens as a provider or a request gives it; 0 for anything else."""
    return value if isinstance(value, int) and 0 < value < most else 0


def completion_limit(params: Mapping[str, Any]) -> Any:
    """The most tokens that one choice of an answer may have, as the request says it."""
    limit = params.get("max_completion_tokens")
    return params.get("max_tokens") if limit is None else limit


def tier_of_reply(body: Mapping[str, Any]) -> str:
    """How a call was paid, as its reply says: the provider may have served another tier than was asked for."""
    tier = body.get("service_tier")
    return tier if isinstance(tier, str) and tier and tier not in USUAL else STANDARD


def cleaned(usage: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion's usage whose parts are no larger than the whole."""
    prompt, completion = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
    found: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    for name, whole in (("prompt_tokens_details", prompt), ("completion_tokens_details", MOST_TOKENS)):
        details = usage.get(name)
        if isinstance(details, Mapping):
            found[name] = {key: as_count(value, whole + 1) for key, value in details.items() if as_count(value)}
    return found

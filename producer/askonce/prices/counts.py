"""Tokens as providers and requests count them, without what makes no sense. Pure."""

from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 2**31
"""Of one call. A larger number is no count of tokens, and would overflow a counter before long."""
Tokens = tuple[int, int, int]
"""Read, read out of the provider's cache (a part of the first), and written."""
STANDARD = "standard"
CHAT_WORDS = {
    "input_tokens": "prompt_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens": "completion_tokens",
    "output_tokens_details": "completion_tokens_details",
}
USUAL = frozenset({"auto", "default", "standard", "on_demand"})
"""Tiers of a reply that are paid at the standard price."""


def as_count(value: Any, most: float = MOST_TOKENS) -> int:
    """A number of tokens as a provider or a request gives it; 0 for anything else."""
    return value if isinstance(value, int) and 0 < value < most else 0


def completion_limit(params: Mapping[str, Any]) -> Any:
    """The most tokens that one choice of an answer may have, as the request says it."""
    limits = (params.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    return next((limit for limit in limits if limit is not None), None)


def usage_of(body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The tokens of a reply in the words of a chat completion's: a response has others. None where it has none."""
    usage = body.get("usage") if body is not None else None
    if not isinstance(usage, Mapping):
        return None
    if "input_tokens" not in usage or "prompt_tokens" in usage:
        return usage
    return {CHAT_WORDS.get(str(name), str(name)): value for name, value in usage.items()}


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

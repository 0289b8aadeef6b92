"""Token counts from providers and requests, without implausible ones. Pure."""

from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 2**31
"""Maximum of one call. A larger number is not a token count, and would soon overflow a counter."""
Tokens = tuple[int, int, int]
"""Prompt tokens, cached ones among these, and completion tokens."""
STANDARD = "standard"
CHAT_WORDS = {
    "input_tokens": "prompt_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens": "completion_tokens",
    "output_tokens_details": "completion_tokens_details",
}
USUAL = frozenset({"auto", "default", "standard", "on_demand"})
"""Tiers that are billed at the standard price."""


def as_count(value: Any, most: float = MOST_TOKENS) -> int:
    """A token count given by a provider or a request; 0 for anything else."""
    return value if isinstance(value, int) and 0 < value < most else 0


def completion_limit(params: Mapping[str, Any]) -> Any:
    """The request's limit on the tokens of one choice."""
    limits = (params.get(name) for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"))
    return next((limit for limit in limits if limit is not None), None)


def usage_of(body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The usage of a reply, with a chat completion's field names (a response has others). None if it has none."""
    usage = body.get("usage") if body is not None else None
    if not isinstance(usage, Mapping):
        return None
    if "input_tokens" not in usage or "prompt_tokens" in usage:
        return usage
    return {CHAT_WORDS.get(str(name), str(name)): value for name, value in usage.items()}


def tier_of_reply(body: Mapping[str, Any]) -> str:
    """The tier a reply says it was billed in: the provider may have served another one than requested."""
    tier = body.get("service_tier")
    return tier if isinstance(tier, str) and tier and tier not in USUAL else STANDARD


def cleaned(usage: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion's usage, with no part larger than the whole."""
    prompt, completion = as_count(usage.get("prompt_tokens")), as_count(usage.get("completion_tokens"))
    found: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion}
    for name, whole in (("prompt_tokens_details", prompt), ("completion_tokens_details", MOST_TOKENS)):
        details = usage.get(name)
        if isinstance(details, Mapping):
            found[name] = {key: as_count(value, whole + 1) for key, value in details.items() if as_count(value)}
    return found

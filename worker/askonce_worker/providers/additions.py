"""Parameters that a worker adds to requests by itself, and how it reacts if a provider refuses them. Pure.

`service_tier: "flex"` is OpenAI's cheaper and slower tier. It refuses with 429 `resource_unavailable` for want of
capacity (not billed), and models without it with 400; Groq says 498 `capacity_exceeded`. `prompt_cache_key`, at most 64
characters, leads questions that begin alike to the same cache of the provider. Some servers refuse a parameter that
they do not know, with 400 or 422 and its name.

https://developers.openai.com/api/docs/guides/flex-processing
https://developers.openai.com/api/docs/guides/prompt-caching
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from askonce.question import Question, Tier
from askonce_worker.providers.endpoint import AZURE_HOSTS
from askonce_worker.providers.provider import ProviderError

TIER, CACHE_KEY = "service_tier", "prompt_cache_key"
NO_CAPACITY = "no_capacity"
"""The error kind of a call for which flex had no capacity."""
AT_ONCE = (NO_CAPACITY, "timeout")
"""Error kinds after which waiting is pointless, because another tier has room."""
REMEMBERED = 3600.0
"""Seconds for which a parameter that a model refused is left out."""
SAYS_FLEX = re.compile(r"\bflex\b|service.tier", re.IGNORECASE)
SAYS_FULL = re.compile(r"resource.unavailable|capacity", re.IGNORECASE)


class Additions:
    """cache_keys: whether requests have a `prompt_cache_key`. clock: seconds of any steady clock."""

    def __init__(self, *, cache_keys: bool, clock: Callable[[], float]) -> None:
        self._cache_keys = cache_keys
        self._clock = clock
        self._refused: dict[tuple[str, str], float] = {}

    def to(self, question: Question, tier: Tier) -> dict[str, Any]:
        """Parameters to add to this question's request, except those the user has set."""
        wanted: dict[str, Any] = {}
        if self._cache_keys and question.params.get(CACHE_KEY) is None:
            wanted[CACHE_KEY] = question.scope
        if tier == "flex":
            wanted[TIER] = "flex"
        return {name: value for name, value in wanted.items() if not self._is_refused(question.model or "", name)}

    def refuse(self, model: str, name: str) -> None:
        """Records that this model refuses a parameter."""
        self._refused[model, name] = self._clock() + REMEMBERED

    def _is_refused(self, model: str, name: str) -> bool:
        until = self._refused.get((model, name))
        if until is not None and self._clock() > until:
            del self._refused[model, name]
            return False
        return until is not None


def takes_cache_keys(base_url: str | None) -> bool:
    """Whether the provider is known to accept `prompt_cache_key`; others may refuse unknown parameters."""
    host = urlsplit(base_url or "https://api.openai.com").hostname or ""
    return host == "api.openai.com" or host.endswith((".api.openai.com", *AZURE_HOSTS))


def declined(error: ProviderError, added: Collection[str]) -> str | None:
    """Which of these parameters the provider refuses."""
    if error.status not in (400, 422):
        return None
    param = error.body.get("param") if isinstance(error.body, Mapping) else None
    for name in added:
        if param == name or name in error.message or (name == TIER and SAYS_FLEX.search(error.message)):
            return name
    return None


def lacks_capacity(error: ProviderError) -> bool:
    """Whether the reply says that flex has no capacity, as opposed to a rate limit."""
    body = error.body if isinstance(error.body, Mapping) else {}
    named = {str(body.get(name)).lower() for name in ("code", "type")}
    if error.status == 429 and error.kind != "quota":
        return "resource_unavailable" in named or bool(SAYS_FULL.search(error.message))
    return error.status == 498

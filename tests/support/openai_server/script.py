"""What the test server was told to do: latency, failures, limits. See `support.llm_server` for the words."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

DEFAULT_ANSWER = "answer to: {text}"


@dataclass
class Failure:
    """One rule. `times` requests (None: all), after the first `after`, of those whose text contains `contains`.

    tier: of requests for this `service_tier` alone. share: of these, so many, at random.
    """

    kind: str
    times: int | None = None
    after: int = 0
    contains: str | None = None
    status: int = 500
    code: str | None = None
    message: str = "told to fail"
    retry_after: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    latency_ms: float | None = None
    reply: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    text: str | None = None
    tier: str | None = None
    share: float = 1.0

    def whole(self) -> bytes | None:
        """The reply's body, where the rule gives all of it."""
        if self.text is not None:
            return self.text.encode()
        return None if self.body is None else orjson.dumps(self.body)

    def takes(self, texts: list[str], tier: str | None) -> bool:
        if (self.tier is not None and self.tier != tier) or random.random() >= self.share:
            return False
        if self.times == 0 or (self.contains is not None and not any(self.contains in text for text in texts)):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def extra_headers(self) -> dict[str, str]:
        return self.headers if self.retry_after is None else {"retry-after": self.retry_after, **self.headers}


class Limit:
    """A sliding window over accepted requests and their tokens, as a provider's RPM and TPM are."""

    def __init__(self, requests: int | None = None, tokens: int | None = None, seconds: float = 60.0) -> None:
        self.requests, self.tokens, self.seconds = requests, tokens, seconds
        self._accepted: deque[tuple[float, int]] = deque()
        self._tokens = 0

    def over(self, now: float, tokens: int) -> float | None:
        """Seconds until there is room again, or None when the request is accepted."""
        while self._accepted and self._accepted[0][0] <= now - self.seconds:
            self._tokens -= self._accepted.popleft()[1]
        full = self.requests is not None and len(self._accepted) >= self.requests
        if full or (self.tokens is not None and self._tokens + tokens > self.tokens and self._accepted):
            return self._accepted[0][0] + self.seconds - now
        self._accepted.append((now, tokens))
        self._tokens += tokens
        return None


class Script:
    """The orders for one endpoint."""

    def __init__(self) -> None:
        self.latency_ms: float | tuple[float, float] = 0.0
        self.failures: list[Failure] = []
        self.limit: Limit | None = None
        self.answer = DEFAULT_ANSWER
        self.completion_tokens: int | None = None
        self.dimensions = 384
        self.ignores_dimensions = False
        self.encoding: str | None = None
        self.ms_per_input = 0.0
        self.prices: dict[str, dict[str, list[int]]] = {}
        self.prompt_cache = False
        self._cached: set[str] = set()

    def order(self, orders: dict[str, Any]) -> None:
        for name, value in orders.items():
            if name == "latency_ms":
                self.latency_ms = tuple(value) if isinstance(value, list) else value
            elif name == "failures":
                self.failures = [Failure(**rule) for rule in value]
            elif name == "fail":
                self.failures.append(Failure(**value))
            elif name == "limit":
                self.limit = Limit(**value) if value else None
            elif name in (
                "answer",
                "completion_tokens",
                "dimensions",
                "ignores_dimensions",
                "encoding",
                "ms_per_input",
                "prices",
                "prompt_cache",
            ):
                setattr(self, name, value)
            else:
                raise ValueError(f"no such order: {name}")

    def failure(self, texts: list[str], tier: str | None = None) -> Failure | None:
        return next((rule for rule in self.failures if rule.takes(texts, tier)), None) if self.failures else None

    def cached_tokens(self, request: dict[str, Any], prompt: int) -> int:
        """Half of a prompt whose key, or whose system prompt, was there before."""
        if not self.prompt_cache:
            return 0
        key = request.get("prompt_cache_key") or str(request["messages"][0]["content"])
        known = key in self._cached
        self._cached.add(key)
        return prompt // 2 if known else 0

    def charge(self, asked: str, body: dict[str, Any], tier: str | None = None) -> int:
        """Trillionths of a dollar, by the prices that were ordered: of a token read, read from the cache, written.

        tier: where the reply does not say it."""
        tiers = self.prices.get(asked)
        if tiers is None:
            return 0
        read, cached, written = tiers[tier or body["service_tier"]]
        usage = body["usage"]
        hits = usage["prompt_tokens_details"]["cached_tokens"]
        return (usage["prompt_tokens"] - hits) * read + hits * cached + usage["completion_tokens"] * written

    def delay(self, inputs: int = 1) -> float:
        """Seconds this request takes."""
        latency = self.latency_ms
        if isinstance(latency, tuple):
            latency = random.uniform(*latency)
        return (latency + self.ms_per_input * inputs) / 1000

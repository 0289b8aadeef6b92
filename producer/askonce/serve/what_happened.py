"""Facts about an answer as headers, and the fields that OpenAI clients need in every body."""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from askonce.answer import Answer
from askonce.prices.load import Prices, cost_of_reply
from askonce.prices.money import from_nano


class WhatHappened:
    """prices: the provider's."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    def headers_of(self, answer: Answer) -> dict[str, str]:
        """Headers `x-askonce-…`: source, similarity, job id, age in seconds, and what it cost and saved."""
        return self.headers_of_all([answer])

    def headers_of_all(self, answers: Sequence[Answer]) -> dict[str, str]:
        """The headers for several answers: their sources, and sums of cost and savings. A sum with an unknown price is
        left out."""
        found: dict[str, str | None] = {"source": ", ".join(dict.fromkeys(answer.source or "" for answer in answers))}
        if len(answers) == 1:
            found |= _alone(answers[0])
        found["cost"] = _sum([answer.cost if answer.source == "llm" else 0 for answer in answers])
        found["saved"] = _sum([0 if answer.source == "llm" else self._worth(answer) for answer in answers])
        return {f"x-askonce-{name}": value for name, value in found.items() if value is not None}

    def _worth(self, answer: Answer) -> float | None:
        """What the call would have cost, at current prices."""
        cost = cost_of_reply(self._prices, answer.body or {}, answer.model or "")
        return None if cost is None else from_nano(cost)


def _alone(answer: Answer) -> dict[str, str | None]:
    return {
        "job-id": answer.job_id,
        "similarity": None if answer.similarity is None else f"{answer.similarity:.4f}",
        "age": None if answer.cached_at is None else str(max(0, round(time.time()) - answer.cached_at)),
    }


def _sum(amounts: Sequence[float | None]) -> str | None:
    """The formatted sum. None if any cost is unknown."""
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts):
        return None
    return f"{sum(known):.9f}".rstrip("0").rstrip(".")


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The completion, with fields that clients read added if they are missing: answers stored as text lack them, as do
    those of simple servers."""
    body = answer.body or {}
    if "id" in body and "created" in body and "object" in body:
        return body
    missing = {
        "id": f"chatcmpl-{answer.job_id or secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": answer.cached_at or round(time.time()),
    }
    return {**missing, **body}

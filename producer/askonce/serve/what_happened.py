"""What an answer is, beside its text: as headers, and with what an OpenAI client needs in each body."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

from askonce.answer import Answer


def headers_of(answer: Answer) -> dict[str, str]:
    """Headers `x-askonce-…`: source, similarity, job id, and age in seconds."""
    found = {"source": answer.source, "job-id": answer.job_id}
    if answer.similarity is not None:
        found["similarity"] = f"{answer.similarity:.4f}"
    if answer.cached_at is not None:
        found["age"] = str(max(0, round(time.time()) - answer.cached_at))
    return {f"x-askonce-{name}": value for name, value in found.items() if value is not None}


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The completion. One that was stored as a text alone lacks fields that clients read; so do modest servers'."""
    body = answer.body or {}
    if "id" in body and "created" in body and "object" in body:
        return body
    missing = {
        "id": f"chatcmpl-{answer.job_id or secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": answer.cached_at or round(time.time()),
    }
    return {**missing, **body}

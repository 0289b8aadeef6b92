"""What to do after a provider refuses a whole batch, or a request about it. Pure."""

from collections.abc import Iterable
from enum import Enum

from openai.types import BatchError

from askonce_worker.providers.provider import ProviderError

LIMIT_CODES = frozenset(
    {
        "token_limit_exceeded",
        "rate_limit_exceeded",
        "request_limit_exceeded",
        "quota_exceeded",
        "billing_hard_limit_reached",
    }
)
LIMIT_WORDS = ("enqueued token", "token limit reached", "too many batches", "rate limit", "quota")
FILE_STATUSES = frozenset({400, 413, 422})
"""Statuses for a file, or a line in it, that the provider does not accept."""
NO_FILE = 404
ABSENT = frozenset({404, 405, 501})
"""Statuses of a server without this path: it does not list batches, or has none."""
IN_BETWEEN = 500
"""From this status on, it is unknown whether a request took effect."""


class Refusal(Enum):
    LIMIT = "limit"
    """The provider has enough for now: send a smaller batch, later."""
    FILE = "file"
    """Something in the file: half of it may be accepted."""
    LATER = "later"
    """The provider, the key or the address: retry later."""
    UNKNOWN = "unknown"
    """It may have succeeded."""


def of_batch(errors: Iterable[BatchError]) -> Refusal:
    """The reaction to a batch that failed as a whole."""
    known = list(errors)
    if any((error.code or "") in LIMIT_CODES or _is_limit(error.message or "") for error in known):
        return Refusal.LIMIT
    return Refusal.FILE


def of_request(error: ProviderError) -> Refusal:
    """The reaction to a failed request that creates a batch or uploads its file."""
    if error.status is None or error.status >= IN_BETWEEN or error.kind == "timeout":
        return Refusal.UNKNOWN
    if error.kind == "rate_limit":
        return Refusal.LIMIT if _is_limit(error.message) and "token" in error.message.lower() else Refusal.LATER
    if error.kind != "quota" and "billing" not in error.message.lower() and error.status in FILE_STATUSES:
        return Refusal.FILE
    return Refusal.LATER


def _is_limit(words: str) -> bool:
    return any(each in words.lower() for each in LIMIT_WORDS)

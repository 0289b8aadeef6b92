"""The errors of lines that were not asked because their batch ended first."""

from typing import Any

WORDS = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}
"""By how it has ended; in OpenAI's words where there are some."""


def unasked(status: str, line: int) -> dict[str, Any]:
    """The error of a line."""
    code, message = WORDS[status]
    return {"code": code, "message": message, "line": line}

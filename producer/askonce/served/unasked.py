"""The errors of lines that were not asked because their batch ended first."""

from typing import Any

ERRORS = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}
"""By the batch's final status; worded as OpenAI does where it has such an error."""


def unasked(status: str, line: int) -> dict[str, Any]:
    """The error of a line."""
    code, message = ERRORS[status]
    return {"code": code, "message": message, "line": line}

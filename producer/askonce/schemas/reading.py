"""Answers that are JSON, as workers and clients read them. Pure."""

from typing import Any

from askonce.json_values import loads
from askonce.readable import check_depth


def answer_value(text: str) -> Any:
    """The value of a text that is JSON and nothing else: what one side takes for an answer the other does not refuse.
    Raises ValueError."""
    value = loads(text)
    check_depth(value, text.count("[") + text.count("{"))
    return value

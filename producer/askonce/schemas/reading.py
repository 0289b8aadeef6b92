"""Answers that are JSON, as workers and clients read them. Pure."""

from typing import Any

from askonce.json_values import loads
from askonce.readable import check_depth


def answer_value(text: str) -> Any:
    """The value of a text that is only JSON. Workers and clients share it, so that they accept the same answers. Raises
    ValueError."""
    value = loads(text)
    check_depth(value, text.count("[") + text.count("{"))
    return value

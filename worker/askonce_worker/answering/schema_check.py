"""The port for checking replies against their question's JSON schema, and its default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from askonce.question import Question


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a reply does not fit its schema.

    repairable: whether another try may help.
    text: the choice that does not fit, as a reply may have several; None if it is empty.
    """

    message: str
    repairable: bool = True
    text: str | None = None


CheckSchema = Callable[[Question, Mapping[str, Any]], Mismatch | None]
"""None if the reply fits, or need not: there is no schema, the model called tools, or the provider refused."""


def unchecked(question: Question, body: Mapping[str, Any]) -> Mismatch | None:  # noqa: ARG001
    """For a worker that checks no schemas."""
    return None

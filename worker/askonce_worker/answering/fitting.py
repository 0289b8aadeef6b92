"""The port for checking replies against their question's JSON schema, and its default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from askonce.question import Question


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a reply does not fit. mends: whether the model may do better if told. text: the choice that does not fit; a
    reply may have several."""

    words: str
    mends: bool = True
    text: str | None = None


Fits = Callable[[Question, Mapping[str, Any]], Flaw | None]
"""None if the reply fits or need not: there is no schema, the model called tools, or the provider refused."""


def unchecked(question: Question, body: Mapping[str, Any]) -> Flaw | None:  # noqa: ARG001
    """For a worker that checks no schemas."""
    return None

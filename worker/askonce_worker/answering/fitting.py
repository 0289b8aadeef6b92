"""Whether a reply fits the JSON schema that its question wants: a port, and what there is without one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from askonce.question import Question


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a reply does not fit. mends: whether the model, told so, may do better. text: what does not fit; a reply may
    have several choices."""

    words: str
    mends: bool = True
    text: str | None = None


Fits = Callable[[Question, Mapping[str, Any]], Flaw | None]
"""None: the reply fits, or need not: nobody wants it to, the model called tools, or the provider refused."""


def unchecked(question: Question, body: Mapping[str, Any]) -> Flaw | None:  # noqa: ARG001
    """For a worker that looks at no schemas."""
    return None

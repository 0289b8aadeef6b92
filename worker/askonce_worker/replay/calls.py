"""A call in a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.question import Question


class BadCall(ValueError):
    """A row of the log is malformed. The message says why, and quotes none of its text."""


class NoCall(Exception):
    """A row of the log is not an answered call, but a span, an embedding or a failure. The message says which."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the log records about one LLM call.

    asked: Unix seconds; None if unknown. seconds: until the answer. body: the answer as a chat completion, with its
    usage. cost: as logged, in billionths. key: joins a request and an answer in separate rows; '' if both are in one.
    """

    question: Question
    asked: float | None = None
    seconds: float | None = None
    body: Mapping[str, Any] | None = None
    cost: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose request is in another row."""

    key: str
    body: Mapping[str, Any]

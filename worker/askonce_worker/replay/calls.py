"""One call of a log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.question import Question


class BadCall(ValueError):
    """A row of the log is not what it should be. The message says why, and repeats none of its text."""


class NoCall(Exception):
    """A row of the log is no call that was answered, but a span, an embedding, a failure. The message says what."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the log says of one call to an LLM.

    asked: Unix seconds; None if the log does not say. seconds: until the answer. body: the answer as a chat
    completion, with its usage. cost: billionths, as the log has it. key: what joins a request and an answer that stand
    in two rows; '' if they stand in one.
    """

    question: Question
    asked: float | None = None
    seconds: float | None = None
    body: Mapping[str, Any] | None = None
    cost: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose request stands in another row."""

    key: str
    body: Mapping[str, Any]

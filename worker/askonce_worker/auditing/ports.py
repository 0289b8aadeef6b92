"""What auditing needs of its parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from askonce.question import Question
from askonce_worker.audit.looks import Look

Told = Callable[[bool | None], None]
"""Called with the verdict; None if there is none."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to compare. fresh: the question's own."""

    question: Question
    look: Look
    fresh: Mapping[str, Any]


class Judging(Protocol):
    @property
    def is_open(self) -> bool:
        """Whether a verdict can be expected: the judge responds, and its budget is not used up."""
        ...

    def put(self, pair: Pair, told: Told) -> None:
        """Asks in the background. No answer waits for this."""
        ...


class NoJudge:
    is_open = False

    def put(self, pair: Pair, told: Told) -> None:  # noqa: ARG002
        told(None)

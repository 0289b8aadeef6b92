"""What can go wrong, as one tree.

AskOnceError
├── InvalidQuestion     the question itself is wrong: nothing was written
├── QueueFull           the lane holds all it may, or Redis is nearly full: try again after `retry_after` seconds
├── AnswerTimeout       no answer yet; the question goes on, and its job id stays good
├── UnknownJob          no such job id: never submitted, or past its lifetime
├── QuestionFailed      the question ended as failed; `answer.error` says why
└── StoreUnreachable    Redis did not answer within the time given
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askonce.answer import Answer


class AskOnceError(Exception):
    """Base of all that askonce raises."""


class InvalidQuestion(AskOnceError, ValueError):
    """The question is refused before anything is written.

    accepted: of a stream of questions, the job ids that got in before this one.
    """

    def __init__(self, message: str, *, accepted: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.accepted = list(accepted)


class QueueFull(AskOnceError):
    """The lane is at its bound.

    retry_after: seconds. accepted: the job ids that got in before the bound was met.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0, accepted: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.accepted = list(accepted)


class AnswerTimeout(AskOnceError, TimeoutError):
    """There is no answer within the time given."""

    def __init__(self, job_id: str, message: str | None = None) -> None:
        super().__init__(message or f"no answer yet for job {job_id}")
        self.job_id = job_id


class UnknownJob(AskOnceError, KeyError):
    """Nothing is known under this job id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"unknown job {self.job_id}: never submitted in this namespace, or past its lifetime"


class QuestionFailed(AskOnceError):
    """The question ended as failed."""

    def __init__(self, answer: "Answer") -> None:
        error = answer.error
        super().__init__(f"{error.kind}: {error.message}" if error else "failed")
        self.answer = answer


class StoreUnreachable(AskOnceError, ConnectionError):
    """Redis cannot be reached; the cause is the driver's own error."""

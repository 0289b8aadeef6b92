"""What can go wrong, as one tree.

AskOnceError
├── NotAccepted
│   ├── InvalidQuestion     the question itself is wrong: nothing was written
│   ├── QueueFull           the lane holds all it may, or Redis is nearly full: try again after `retry_after` seconds
│   └── StoreUnreachable    Redis did not answer within the time given
├── AnswerTimeout           no answer yet; the question goes on, and its job id stays good
├── UnknownJob              no such job id: never submitted, or past its lifetime
└── QuestionFailed          the question ended as failed; `answer.error` says why
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askonce.answer import Answer
    from askonce.question import Question


class AskOnceError(Exception):
    """Base of all that askonce raises."""


class NotAccepted(AskOnceError):
    """What a submission may end with.

    Of many questions, accepted: the job ids that got in. refused: the questions that did not and may still, with their
    job ids: `submit_many(error.refused)` goes on, and is safe where it is not certain what got in. These are not simply
    the last ones: a full lane may have room for a small chunk behind a large one.
    """

    def __init__(self, message: str, *, accepted: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.accepted = list(accepted)
        self.refused: list[Question] = []


class InvalidQuestion(NotAccepted, ValueError):
    """The question is refused before anything of it is written."""


class QueueFull(NotAccepted):
    """The lane is at its bound, or Redis nearly full. retry_after: seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0, accepted: Sequence[str] = ()) -> None:
        super().__init__(message, accepted=accepted)
        self.retry_after = retry_after


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


class StoreUnreachable(NotAccepted, ConnectionError):
    """Redis cannot be reached; the cause is the driver's own error."""

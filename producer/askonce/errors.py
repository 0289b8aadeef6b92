"""What can go wrong, as one tree.

AskOnceError
├── NotAccepted
│   ├── InvalidQuestion     the question itself is wrong: nothing was written
│   ├── QueueFull           the lane is full, or Redis is nearly full: try again after `retry_after` seconds
│   └── StoreUnreachable    Redis did not answer within the time given
├── AnswerTimeout           no answer yet; the question goes on, and its job id stays valid
├── UnknownJob              no such job id: never submitted, or past its lifetime
└── QuestionFailed          the question ended as failed; `answer.error` says why
"""

from collections.abc import Sequence
from typing import Any

from askonce.answer import Answer


class AskOnceError(Exception):
    """Base of all errors that askonce raises."""


class NotAccepted(AskOnceError):
    """A submission was refused, in whole or in part.

    Attributes:
        accepted: Job ids of the questions that got in.
        refused: The `Question`s that did not get in and still may, each with its job id. Continue with
            `submit_many(error.refused)`, which is safe if it is unclear what got in. They are not simply the last
            ones: a full lane may have room for a small chunk behind a large one.
    """

    def __init__(self, message: str, *, accepted: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.accepted = list(accepted)
        self.refused: list[Any] = []  # a Question raises these errors, so they cannot name its type


class InvalidQuestion(NotAccepted, ValueError):
    """The question is malformed, or its job id belongs to another one. Nothing was written."""


class QueueFull(NotAccepted):
    """The lane is full, or Redis is nearly full.

    Attributes:
        retry_after: Seconds to wait before the next try.
    """

    def __init__(self, message: str, *, retry_after: float = 1.0, accepted: Sequence[str] = ()) -> None:
        super().__init__(message, accepted=accepted)
        self.retry_after = retry_after


class StoreUnreachable(NotAccepted, ConnectionError):
    """Redis cannot be reached. `__cause__` is the driver's own error."""


class AnswerTimeout(AskOnceError, TimeoutError):
    """There was no answer within the given time.

    Attributes:
        job_id: The job that was awaited. Its question continues until its deadline.
    """

    def __init__(self, job_id: str, message: str | None = None) -> None:
        super().__init__(message or f"no answer yet for job {job_id}")
        self.job_id = job_id


class UnknownJob(AskOnceError, KeyError):
    """The job id is unknown.

    Attributes:
        job_id: The unknown id.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"unknown job {self.job_id}: never submitted in this namespace, or past its lifetime"


class QuestionFailed(AskOnceError):
    """The question failed.

    Attributes:
        answer: The failed answer. `answer.error` has the cause, `answer.body` the provider's own error.
    """

    def __init__(self, answer: Answer) -> None:
        error = answer.error
        super().__init__(f"{error.kind}: {error.message}" if error else "failed")
        self.answer = answer

"""A question of `Client.map` between its source and the caller, and the options of `map`."""

import asyncio
from dataclasses import dataclass

from askonce.answer import Answer
from askonce.question import Question
from askonce.session.backend import Lane
from askonce.session.waiting import Waiting


@dataclass(frozen=True, slots=True)
class MapOptions:
    """timeout: seconds from submit to the deadline of each question. keep: results must be available under the caller's
    own job ids, so such questions go through the queue even if their answer is cached."""

    lane: Lane
    timeout: float
    in_flight: int
    ordered: bool
    keep: bool

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise ValueError("in_flight must be at least 1")


@dataclass(slots=True, eq=False)
class MapItem:
    """A question in flight.

    Under a job id of the caller's, `heard` and `answer` are two futures until the question is accepted: the id may
    stand for another question, whose answer must not be taken for this one's.

    Attributes:
        question: The question, with its defaults.
        own: Whether `map` makes the job id. Otherwise the caller gave one.
        answer: The answer to this question.
        heard: What arrives under the job id, once the question is submitted.
        took: Seconds that the cache needed, for an exact hit.
        size: Bytes of an exact hit.
        queued: Whether it is in the queue, so that an answer will come.
    """

    question: Question
    own: bool
    answer: "asyncio.Future[Answer]"
    heard: "asyncio.Future[Answer] | None" = None
    took: float | None = None
    size: int = 0
    queued: bool = False

    @property
    def job(self) -> str:
        return f"{self.question.namespace}:{self.question.job_id}"

    def expect(self, waiting: Waiting) -> None:
        self.heard = waiting.expect(self.job, self.answer if self.own else None)

    def drop(self, waiting: Waiting) -> None:
        """Discards the answer, whether it has arrived or not."""
        if not self.answer.cancel() and not self.answer.cancelled():
            self.answer.exception()  # so that asyncio does not report it as never retrieved
        if self.heard is not None:
            waiting.drop(self.job, self.heard)

    def accepted(self) -> None:
        """From now on, what arrives is the answer."""
        self.queued = True
        if self.heard is not None and self.heard is not self.answer:
            self.heard.add_done_callback(self._take)

    def _take(self, heard: "asyncio.Future[Answer]") -> None:
        if self.answer.done() or heard.cancelled():
            return
        error = heard.exception()
        if error is None:
            self.answer.set_result(heard.result())
        else:
            self.answer.set_exception(error)

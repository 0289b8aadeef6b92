"""A question of `Client.map` between the source and the caller."""

import asyncio
from dataclasses import dataclass

from askonce.answer import Answer
from askonce.question import Question
from askonce.session.waiting import Waiting


@dataclass(slots=True, eq=False)
class Underway:
    """own: the job id, if it comes to a job, is of our own making. answer: of this question. heard: what comes under
    the job id, once it is submitted. took: seconds in which the cache had the answer.

    They differ under a job id of the caller's until the question is accepted: the id may stand for another question,
    whose answer is not ours.
    """

    question: Question
    own: bool
    answer: "asyncio.Future[Answer]"
    heard: "asyncio.Future[Answer] | None" = None
    took: float | None = None

    @property
    def job(self) -> str:
        return f"{self.question.namespace}:{self.question.job_id}"

    def expect(self, waiting: Waiting) -> None:
        self.heard = waiting.expect(self.job, self.answer if self.own else None)

    def drop(self, waiting: Waiting) -> None:
        """Nobody wants its answer any more, whatever that is."""
        if not self.answer.cancel() and not self.answer.cancelled():
            self.answer.exception()  # so that asyncio does not report it as never retrieved
        if self.heard is not None:
            waiting.drop(self.job, self.heard)

    def accepted(self) -> None:
        """What is heard is the answer."""
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

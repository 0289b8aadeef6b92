"""One question at a time."""

from typing import Unpack

from askonce.answer import Answer
from askonce.calls.base import ClientBase
from askonce.errors import QuestionFailed
from askonce.question import Question, QuestionFields
from askonce.schemas.wanted import Schema
from askonce.session import one_answer
from askonce.session.arguments import checked_ids, checked_lane, checked_seconds
from askonce.session.backend import Lane
from askonce.session.job_queue import new_job_id
from askonce.session.parsed import with_parsed


class OneQuestion(ClientBase):
    async def ask(
        self, question: Question | str, *, timeout: float | None = None, **fields: Unpack[QuestionFields]
    ) -> Answer:
        """Asks a question and waits for its answer, from the cache or from the workers.

        Cancelling it abandons only the wait.

        Args:
            question: The question, or its text.
            timeout: Seconds to wait, and the question's deadline. None uses the client's.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            The answer, which is never a failed one.

        Raises:
            AnswerTimeout: There was no answer within `timeout`.
            InvalidQuestion: The question is malformed, or its job id belongs to another one.
            QuestionFailed: The question failed.
            QueueFull: The interactive lane is full, or Redis is nearly full.
            StoreUnreachable: Redis does not answer.
        """
        checked = self._checked(question, fields)
        seconds = self._timeout if timeout is None else checked_seconds(timeout)
        answer = await one_answer.ask(self._backends.get(), checked, seconds)
        return _answered(with_parsed(answer, checked.schema))

    async def submit(
        self,
        question: Question | str,
        *,
        lane: Lane = "interactive",
        timeout: float | None = None,
        **fields: Unpack[QuestionFields],
    ) -> str:
        """Queues a question and returns without waiting for its answer.

        Submitting a known job id again changes nothing.

        Args:
            question: The question, or its text.
            lane: `interactive`, or `bulk` for questions that can wait.
            timeout: Seconds until the question's deadline. None uses the client's `job_ttl`.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            The job id, with which any process can fetch the answer.

        Raises:
            InvalidQuestion: The question is malformed, or its job id belongs to another one.
            QueueFull: The lane is full, or Redis is nearly full.
            StoreUnreachable: Redis does not answer.
        """
        checked = self._checked(question, fields)
        job_id = checked.job_id or new_job_id()
        checked = checked.with_fields(job_id=job_id)
        await self._backends.get().put_one(checked, checked_lane(lane), self._deadline(timeout), listen=False)
        return job_id

    async def result(
        self, job_id: str, *, timeout: float = 30.0, namespace: str | None = None, schema: Schema | None = None
    ) -> Answer:
        """Waits for the answer to a job that any process submitted.

        Args:
            job_id: The job's id.
            timeout: Seconds to wait; 0 never waits.
            namespace: The job's namespace. None uses the client's.
            schema: The question's schema, for `answer.parsed`.

        Returns:
            The answer, which is never a failed one.

        Raises:
            AnswerTimeout: There was no answer within `timeout`. The question continues.
            QuestionFailed: The question failed.
            StoreUnreachable: Redis does not answer.
            UnknownJob: The job was never submitted in this namespace, or is past its lifetime.
        """
        (job_id,) = checked_ids([job_id])
        seconds = checked_seconds(timeout, zero=True)
        answer = await one_answer.result(self._backends.get(), self._space(namespace), job_id, seconds)
        return _answered(with_parsed(answer, schema))


def _answered(answer: Answer) -> Answer:
    if answer.status == "failed":
        raise QuestionFailed(answer)
    return answer

"""Many questions at a time."""

from collections.abc import AsyncIterator, Iterable

from askonce.answer import Answer
from askonce.calls.base import ClientBase
from askonce.question import Question
from askonce.schemas.wanted import Schema
from askonce.session.arguments import Questions, checked_lane, checked_seconds, each_checked, several
from askonce.session.backend import Lane
from askonce.session.bulk import submit_many
from askonce.session.map_item import MapOptions
from askonce.session.mapping import Mapper
from askonce.session.streams import as_completed


class ManyQuestions(ClientBase):
    async def submit_many(
        self, questions: Questions, *, lane: Lane = "bulk", timeout: float | None = None
    ) -> list[str]:
        """Queues many questions and returns without waiting for their answers.

        A list is checked completely before anything is written, a stream part by part.

        Args:
            questions: Questions, or their texts: a list, or a stream, which may be asynchronous.
            lane: `bulk` or `interactive`.
            timeout: Seconds until each question's deadline. None uses the client's `job_ttl`.

        Returns:
            The job ids, in the order of the questions.

        Raises:
            InvalidQuestion: A question is malformed, or its job id belongs to another one.
            QueueFull: The lane is full, or Redis is nearly full.
            StoreUnreachable: Redis does not answer.
                All three have `accepted`, the ids that got in, and `refused`, the questions that still may:
                continue with `submit_many(error.refused)`.
        """
        return await submit_many(
            self._backends.get(),
            several(questions),
            fill=self._filled,
            lane=checked_lane(lane),
            timeout=self._deadline(timeout),
        )

    def as_completed(
        self,
        job_ids: Iterable[str],
        *,
        forget: bool = False,
        timeout: float | None = None,
        namespace: str | None = None,
        schema: Schema | None = None,
    ) -> AsyncIterator[Answer]:
        """Waits for the answers to many jobs.

        Args:
            job_ids: The jobs' ids.
            forget: Whether to drop a result a minute after it is yielded.
            timeout: Seconds for all of them. None waits as long as it takes.
            namespace: The jobs' namespace. None uses the client's.
            schema: The questions' schema, for `answer.parsed`.

        Yields:
            Answers as they arrive, failed ones included. An unknown job yields one of kind `unknown_job`.

        Raises:
            AnswerTimeout: Not all were answered within `timeout`.
            StoreUnreachable: Redis does not answer.
        """
        seconds = None if timeout is None else checked_seconds(timeout, zero=True)
        backend, space, ids = self._backends.get(), self._space(namespace), each_checked(job_ids)
        return as_completed(backend, space, ids, forget=forget, timeout=seconds, schema=schema)

    def map(
        self,
        questions: Questions,
        *,
        in_flight: int = 5000,
        ordered: bool = True,
        keep: bool = True,
        lane: Lane = "bulk",
        timeout: float | None = None,
    ) -> AsyncIterator[tuple[Question, Answer]]:
        """Asks a stream of questions in bounded memory.

        Exact hits are answered at once, as by `ask`: without queue, worker or job id. Only questions with your own job
        ids go through the queue, so that `result` finds them. While the queue is full, it waits.

        Args:
            questions: Questions, or their texts: a list, or a stream, which may be asynchronous.
            in_flight: Maximum number of questions in flight, including those answered but not yet yielded.
            ordered: Whether to yield answers in the order of the questions, or as they are ready.
            keep: False also answers questions with your own job ids from the cache. No id may belong to two questions.
            lane: `bulk` or `interactive`.
            timeout: Seconds until each question's deadline. None uses the client's `job_ttl`.

        Yields:
            Each question, with its defaults filled in, and its answer. A malformed question has a failed one.

        Raises:
            StoreUnreachable: Redis does not respond: at once if it never did, else after a minute.
        """
        how = MapOptions(checked_lane(lane), self._deadline(timeout), in_flight, ordered, keep)
        mapper = Mapper(self._backends.get(), self._checked, how, chunk_size=self._settings.chunk_size)
        return mapper.run(several(questions))

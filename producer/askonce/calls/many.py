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
        """Puts many questions into the queue, and returns without waiting for their answers.

        A list is checked whole before anything is written; a stream is checked part by part.

        Args:
            questions: Questions, or their texts: a list, or a stream, which may be asynchronous.
            lane: `bulk` or `interactive`.
            timeout: Seconds to each question's deadline. None takes the client's `job_ttl`.

        Returns:
            The job ids, in the order of the questions.

        Raises:
            InvalidQuestion: A question is malformed, or its job id stands for another one.
            QueueFull: The lane is full, or Redis is nearly full.
            StoreUnreachable: Redis does not answer.
                All three carry `accepted`, the ids that got in, and `refused`, the questions that may still:
                `submit_many(error.refused)` goes on.
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
            forget: Whether a result is dropped a minute after it is yielded.
            timeout: Seconds for all of them. None waits as long as the workers need.
            namespace: The jobs' namespace. None takes the client's.
            schema: The questions': it makes `answer.parsed` of each text.

        Yields:
            Answers as they come, failed ones too: of an unknown job one of kind `unknown_job`.

        Raises:
            AnswerTimeout: Not all are answered within `timeout`.
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

        What the exact cache holds is answered at once, as by `ask`: without queue, worker and job id. Only questions
        under job ids of yours go through the queue, so that `result` finds them. A full queue is waited for.

        Args:
            questions: Questions, or their texts: a list, or a stream, which may be asynchronous.
            in_flight: Most questions under way, those answered but not yet yielded included.
            ordered: Whether answers come in the order of the questions, or as they are ready.
            keep: False answers questions under job ids of yours from the cache, too. No id may stand for two questions.
            lane: `bulk` or `interactive`.
            timeout: Seconds to each question's deadline. None takes the client's `job_ttl`.

        Yields:
            Each question, its defaults filled in, and its answer: of a malformed one a failed one.

        Raises:
            StoreUnreachable: Redis does not answer: at once where it never did, else after a minute.
        """
        how = MapOptions(checked_lane(lane), self._deadline(timeout), in_flight, ordered, keep)
        mapper = Mapper(self._backends.get(), self._checked, how, chunk_size=self._settings.chunk_size)
        return mapper.run(several(questions))

"""The client: questions in, answers out."""

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from askonce.answer import Answer
from askonce.contract.keys import epoch_field
from askonce.errors import InvalidQuestion, QuestionFailed
from askonce.question import Question
from askonce.question_checks import check_model, check_namespace
from askonce.session import one_answer
from askonce.session.arguments import (
    Questions,
    checked_body,
    checked_ids,
    checked_lane,
    checked_seconds,
    each_checked,
    fields_of,
    several,
)
from askonce.session.backend import Backend, Lane, Status
from askonce.session.bulk import submit_many
from askonce.session.job_queue import new_job_id
from askonce.session.mapping import Mapper
from askonce.session.per_loop import PerLoop
from askonce.session.session import Session
from askonce.session.streams import as_completed
from askonce.settings import client_settings
from askonce.store.redis_url import check_url


class Client:
    """Puts questions into the queue and waits for their answers.

    What is not given comes from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL and so on; what is malformed raises
    ValueError. timeout: seconds `ask` waits unless it is told otherwise. job_ttl: seconds a submitted question may wait
    for its answer. result_ttl: seconds an answer can be fetched. max_queued: questions in a lane, 0 for no bound.

    Making a client does no I/O and needs no running loop. It may be used by several loops and after a fork; each loop
    has connections of its own, which `aclose` (or the end of `async with`) closes. A closed client can be used again.

    Every method raises StoreUnreachable where Redis does not answer, and never an error of the driver.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        *,
        namespace: str = "default",
        model: str | None = None,
        timeout: float = 60.0,
        key_prefix: str | None = None,
        chunk_size: int | None = None,
        job_ttl: float | None = None,
        result_ttl: float | None = None,
        cache_ttl: float | None = None,
        max_queued: int | None = None,
    ) -> None:
        given: dict[str, Any] = {
            "redis_url": redis_url,
            "model": model,
            "key_prefix": key_prefix,
            "chunk_size": chunk_size,
        }
        given |= {"job_ttl": job_ttl, "result_ttl": result_ttl, "cache_ttl": cache_ttl, "max_queued": max_queued}
        self._settings = client_settings(given)
        check_url(self._settings.redis_url)
        check_namespace(namespace)
        self._namespace = namespace
        self._timeout = checked_seconds(timeout)
        self._empty = Question("", namespace=namespace, model=self._settings.model)
        self._backends: PerLoop[Backend] = PerLoop(self._make_backend)

    def _make_backend(self) -> Backend:
        return Session(self._settings)

    async def ask(self, question: Question | str, *, timeout: float | None = None, **fields: Any) -> Answer:
        """The answer: from the cache where it stands there, else from the workers.

        timeout: seconds, and the question's deadline. fields: of `Question`. Cancelling abandons only the wait.
        Raises AnswerTimeout, QuestionFailed, InvalidQuestion, QueueFull.
        """
        checked = self._checked(question, fields)
        seconds = self._timeout if timeout is None else checked_seconds(timeout)
        return _answered(await one_answer.ask(self._backends.get(), checked, seconds))

    async def submit(
        self, question: Question | str, *, lane: Lane = "interactive", timeout: float | None = None, **fields: Any
    ) -> str:
        """The job id, under which any process may ask for the answer. timeout: seconds to the deadline, else job_ttl.

        Submitting a known job id again changes nothing; with another question it raises InvalidQuestion.
        Raises QueueFull.
        """
        checked = self._checked(question, fields)
        job_id = checked.job_id or new_job_id()
        checked = checked.with_fields(job_id=job_id)
        await self._backends.get().put_one(checked, checked_lane(lane), self._deadline(timeout), listen=False)
        return job_id

    async def submit_many(
        self, questions: Questions, *, lane: Lane = "bulk", timeout: float | None = None
    ) -> list[str]:
        """Job ids in order. InvalidQuestion, QueueFull and StoreUnreachable carry `accepted`, the ids that got in,
        and `refused`, the questions that may still: `submit_many(error.refused)` goes on.

        A list is checked whole before anything is written; a stream is checked part by part.
        """
        return await submit_many(
            self._backends.get(),
            several(questions),
            fill=self._filled,
            lane=checked_lane(lane),
            timeout=self._deadline(timeout),
        )

    async def result(self, job_id: str, *, timeout: float = 30.0, namespace: str | None = None) -> Answer:
        """The answer to a job of any process. Raises UnknownJob, QuestionFailed, and AnswerTimeout: with 0 at once."""
        (job_id,) = checked_ids([job_id])
        seconds = checked_seconds(timeout, zero=True)
        return _answered(await one_answer.result(self._backends.get(), self._space(namespace), job_id, seconds))

    def as_completed(
        self,
        job_ids: Iterable[str],
        *,
        forget: bool = False,
        timeout: float | None = None,
        namespace: str | None = None,
    ) -> AsyncIterator[Answer]:
        """Answers as they come, failed ones too; of an unknown job a failed one, kind `unknown_job`.

        forget: results are dropped a minute after they are yielded. timeout: seconds for all; raises AnswerTimeout.
        """
        seconds = None if timeout is None else checked_seconds(timeout, zero=True)
        ids = each_checked(job_ids)
        return as_completed(self._backends.get(), self._space(namespace), ids, forget=forget, timeout=seconds)

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
        """Each question, with its defaults filled in, and its answer; in order, unless told otherwise.

        What the exact cache holds is answered from there at once, as by `ask`: without queue and worker, without a job
        id. Only questions under job ids of yours go through the queue, so that `result` finds them. keep=False: nobody
        will, and no job id stands for two questions; then they do so only where their job is known already.

        Never more than `in_flight` questions are under way, those answered but not yet yielded included. A full queue
        is waited for. Failed answers are yielded; of a question that is invalid too, kind `invalid_question`.
        """
        if in_flight < 1:
            raise ValueError("in_flight is at least 1")
        mapper = Mapper(
            self._backends.get(),
            self._checked,
            lane=checked_lane(lane),
            timeout=self._deadline(timeout),
            in_flight=in_flight,
            ordered=ordered,
            keep=keep,
            chunk_size=self._settings.chunk_size,
        )
        return mapper.run(several(questions))

    async def status(self, job_ids: Iterable[str], *, namespace: str | None = None) -> dict[str, Status]:
        """How far each job is; never waits."""
        ids = checked_ids(job_ids)
        return dict(zip(ids, await self._backends.get().status(self._space(namespace), ids), strict=True))

    async def cancel(self, job_ids: Iterable[str], *, namespace: str | None = None) -> list[str]:
        """Ends those that nobody works on as failed, kind `cancelled`, and returns them; running ones go on."""
        ids = checked_ids(job_ids)
        cancelled = await self._backends.get().cancel(self._space(namespace), ids)
        return [job_id for job_id, done in zip(ids, cancelled, strict=True) if done]

    def forget(self, job_ids: Iterable[str], *, namespace: str | None = None) -> None:
        """Their results are received, and safe: they are dropped a minute from now."""
        backend, space = self._backends.get(), self._space(namespace)
        for job_id in each_checked(job_ids):
            backend.forget(f"{space}:{job_id}")

    async def lookup(self, question: Question | str, **fields: Any) -> Answer | None:
        """The cached answer to exactly this question, or None; never asks anyone.

        Near-duplicates are found by the workers alone: the client makes no embeddings. Whatever the question's `cache`.
        """
        return await self._backends.get().lookup(self._checked(question, fields))

    async def store(
        self,
        question: Question | str,
        text: str | Mapping[str, Any],
        *,
        usage: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> bool:
        """Put an answer into the cache, for the question's `ttl`, else cache_ttl. Raises InvalidQuestion, QueueFull.

        text: the answer, or a provider's chat completion, which is refused where a worker would not keep it. False:
        for now it is found exactly only, since too many vectors wait to be made.
        """
        checked = self._checked(question, fields)
        if checked.cache == "bypass":
            raise InvalidQuestion("a question that bypasses the cache has no place in it")
        body = checked_body(text, model=checked.model or "", usage=usage)
        return await self._backends.get().store(checked, body, checked.ttl or self._settings.cache_ttl)

    async def invalidate(self, *, model: str | None = None, namespace: str | None = None, all: bool = False) -> None:  # noqa: A002
        """From the moment this returns no lookup anywhere uses an answer of this model, this namespace, or both.

        What is not named is not meant, the client's own namespace neither. all: everything, of all namespaces. What is
        being asked at this moment is still answered, and not cached. Raises ValueError.
        """
        if model is not None:
            check_model(model)
        if namespace is not None:
            check_namespace(namespace)
        await self._backends.get().invalidate(epoch_field(model=model, namespace=namespace, everything=all))

    async def report_wrong(self, job_id: str, *, drop_entry: bool = False, namespace: str | None = None) -> bool:
        """Its answer was another question's, and wrong: no worker matches these two again. False: that was known.

        drop_entry: the answer leaves the cache. Needs the job's result (of an id that `ask` or `map` made: a minute).
        An answer without a job id came from the cache: `cache="refresh"` replaces it.
        Raises UnknownJob, AnswerTimeout, and ValueError where nothing was matched and drop_entry is not set.
        """
        (job_id,) = checked_ids([job_id])
        return await self._backends.get().report_wrong(self._space(namespace), job_id, drop_entry=drop_entry)

    async def aclose(self) -> None:
        """Closes the connections of the running loop. Who still waits gets StoreUnreachable."""
        backend = self._backends.pop()
        if backend is not None:
            await backend.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _checked(self, question: Question | str, fields: Mapping[str, Any] | None = None) -> Question:
        if not isinstance(question, Question):
            question = Question(question, **fields) if fields else self._empty.with_fields(text=question)
        elif fields:
            question = Question(**{**fields_of(question), **fields})
        return question.checked(namespace=self._namespace, model=self._settings.model)

    def _filled(self, question: Question | str, job_id: str | None) -> Question:
        if not isinstance(question, Question):
            return self._empty.with_fields(text=question, job_id=job_id)
        return question.filled(namespace=self._namespace, model=self._settings.model, job_id=job_id)

    def _space(self, namespace: str | None) -> str:
        if namespace is not None:
            check_namespace(namespace)
        return namespace or self._namespace

    def _deadline(self, timeout: float | None) -> float:
        return self._settings.job_ttl if timeout is None else checked_seconds(timeout)


def _answered(answer: Answer) -> Answer:
    if answer.status == "failed":
        raise QuestionFailed(answer)
    return answer

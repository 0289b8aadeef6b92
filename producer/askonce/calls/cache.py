"""The cache itself: looked up, filled, invalidated, corrected."""

from collections.abc import Mapping
from typing import Any, Unpack

from askonce.answer import Answer
from askonce.calls.base import ClientBase
from askonce.contract.keys import epoch_field
from askonce.errors import InvalidQuestion
from askonce.explanation import Explanation
from askonce.question import Question, QuestionFields
from askonce.question_checks import check_model, check_namespace
from askonce.session.arguments import checked_body, checked_ids, checked_seconds
from askonce.session.parsed import with_parsed


class Cache(ClientBase):
    async def lookup(self, question: Question | str, **fields: Unpack[QuestionFields]) -> Answer | None:
        """Looks an answer up in the exact cache, whatever the question's `cache`. It never asks the LLM.

        Similar questions are found by the workers alone: the client makes no embeddings.

        Args:
            question: The question, or its text.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            The cached answer to exactly this question, or None: also for one that is not known to fit its `schema`.

        Raises:
            InvalidQuestion: The question is malformed.
            StoreUnreachable: Redis does not answer.
        """
        checked = self._checked(question, fields)
        answer = await self._backends.get().lookup(checked)
        return None if answer is None else with_parsed(answer, checked.schema)

    async def explain(
        self, question: Question | str, *, timeout: float = 10.0, **fields: Unpack[QuestionFields]
    ) -> Explanation:
        """Explains why a question is, or is not, answered from the cache. Nothing is asked, cached or counted.

        A worker looks for similar questions. Where none answers, the explanation says so in its `note`, and what Redis
        knows by itself: the answer to exactly this question, and what was invalidated.

        Args:
            question: The question, or its text.
            timeout: Seconds to wait for a worker.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            The explanation.

        Raises:
            InvalidQuestion: The question is malformed.
            QueueFull: The interactive lane is full, or Redis is nearly full.
            StoreUnreachable: Redis does not answer.
        """
        return await self._backends.get().explain(self._checked(question, fields), checked_seconds(timeout))

    async def store(
        self,
        question: Question | str,
        text: str | Mapping[str, Any],
        *,
        usage: Mapping[str, Any] | None = None,
        **fields: Unpack[QuestionFields],
    ) -> bool:
        """Puts an answer into the cache, for the question's `ttl`, else the client's `cache_ttl`.

        Args:
            question: The question, or its text.
            text: The answer, or a provider's reply. One that a worker would not keep is refused.
            usage: The tokens of an answer given as text, as a provider reports them.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            True; False where it is found exactly only for now, since too many vectors wait to be made.

        Raises:
            InvalidQuestion: The question is malformed, or the answer may not be kept.
            QueueFull: Redis is nearly full.
            StoreUnreachable: Redis does not answer.
        """
        checked = self._checked(question, fields)
        if checked.cache == "bypass":
            raise InvalidQuestion("a question that bypasses the cache cannot be stored in it")
        body = checked_body(text, checked, usage)
        return await self._backends.get().store(checked, body, checked.ttl or self._settings.cache_ttl)

    async def invalidate(self, *, model: str | None = None, namespace: str | None = None, all: bool = False) -> None:  # noqa: A002
        """Invalidates cached answers: once this returns, no lookup anywhere uses them.

        Questions that are being asked at this moment are still answered, and not cached.

        Args:
            model: Answers of this model; with `namespace` only those in it.
            namespace: Answers in this namespace. None does not stand for the client's.
            all: Everything, in all namespaces, in place of the other two.

        Raises:
            StoreUnreachable: Redis does not answer.
            ValueError: Nothing is named, or `all` together with something.
        """
        if model is not None:
            check_model(model)
        if namespace is not None:
            check_namespace(namespace)
        await self._backends.get().invalidate(epoch_field(model=model, namespace=namespace, everything=all))

    async def report_wrong(self, job_id: str, *, drop_entry: bool = False, namespace: str | None = None) -> bool:
        """Reports that a job got another question's answer, and a wrong one: no worker matches these two again.

        It needs the job's result, which of an id that `ask` or `map` made is there for a minute. An answer without a
        job id came from the exact cache: `cache="refresh"` replaces it.

        Args:
            job_id: The job's id.
            drop_entry: Whether the answer leaves the cache, too.
            namespace: The job's namespace. None takes the client's.

        Returns:
            False where all of this was known already.

        Raises:
            AnswerTimeout: The job has no answer yet.
            StoreUnreachable: Redis does not answer.
            UnknownJob: The job was never submitted in this namespace, or is past its lifetime.
            ValueError: No other question's answer was used, and `drop_entry` is not set.
        """
        (job_id,) = checked_ids([job_id])
        return await self._backends.get().report_wrong(self._space(namespace), job_id, drop_entry=drop_entry)

    async def report_right(self, job_id: str, *, namespace: str | None = None) -> bool:
        """Reports that a job was rightly given another question's answer: a label, by which workers know their errors.

        It needs the job's result, as `report_wrong` does. Of a pair that was reported as wrong before it takes nothing
        back: workers do not match these two again.

        Args:
            job_id: The job's id.
            namespace: The job's namespace. None takes the client's.

        Returns:
            False where it was known already.

        Raises:
            AnswerTimeout: The job has no answer yet.
            StoreUnreachable: Redis does not answer.
            UnknownJob: The job was never submitted in this namespace, or is past its lifetime.
            ValueError: No other question's answer was used.
        """
        (job_id,) = checked_ids([job_id])
        return await self._backends.get().report_right(self._space(namespace), job_id)

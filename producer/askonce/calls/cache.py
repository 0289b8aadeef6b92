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
        """Looks up an answer in the exact cache, whatever the question's `cache`. It never asks the LLM.

        Only workers find similar questions: the client makes no embeddings.

        Args:
            question: The question, or its text.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            The cached answer to exactly this question. None if there is none, or it may not fit `schema`.

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

        A worker looks for similar questions. If none responds, the explanation says so in its `note`, and has what
        Redis alone knows: the answer to exactly this question, and what was invalidated.

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
        """Stores an answer in the cache, for the question's `ttl`, else the client's `cache_ttl`.

        Args:
            question: The question, or its text.
            text: The answer, or a provider's reply. One that a worker would not cache is refused.
            usage: The tokens of an answer given as text, as a provider reports them.
            **fields: Fields of the question, such as `model`. They replace those of a `Question`.

        Returns:
            True. False if only exact lookups find it for now, because too many vectors are waiting to be made.

        Raises:
            InvalidQuestion: The question is malformed, or the answer may not be cached.
            QueueFull: Redis is nearly full.
            StoreUnreachable: Redis does not answer.
        """
        checked = self._checked(question, fields)
        if checked.cache == "bypass":
            raise InvalidQuestion("a question that bypasses the cache cannot be stored in it")
        body = checked_body(text, checked, usage)
        return await self._backends.get().store(checked, body, checked.ttl or self._settings.cache_ttl)

    async def invalidate(self, *, model: str | None = None, namespace: str | None = None, all: bool = False) -> None:  # noqa: A002
        """Invalidates cached answers. Once this returns, no lookup uses them anywhere.

        Questions in flight are still answered, but not cached.

        Args:
            model: Answers of this model; with `namespace`, only those in it.
            namespace: Answers in this namespace. None does not mean the client's.
            all: Everything, in all namespaces, instead of the other two.

        Raises:
            StoreUnreachable: Redis does not answer.
            ValueError: Nothing is named, or `all` is combined with something.
        """
        if model is not None:
            check_model(model)
        if namespace is not None:
            check_namespace(namespace)
        await self._backends.get().invalidate(epoch_field(model=model, namespace=namespace, everything=all))

    async def report_wrong(self, job_id: str, *, drop_entry: bool = False, namespace: str | None = None) -> bool:
        """Reports that a job wrongly got another question's answer: no worker matches these two again.

        It needs the job's result, which is kept for a minute if `ask` or `map` made the id. An answer without a job id
        came from the exact cache: `cache="refresh"` replaces it.

        Args:
            job_id: The job's id.
            drop_entry: Whether to delete the cached answer, too.
            namespace: The job's namespace. None uses the client's.

        Returns:
            False if all of this was already known.

        Raises:
            AnswerTimeout: The job has no answer yet.
            StoreUnreachable: Redis does not answer.
            UnknownJob: The job was never submitted in this namespace, or is past its lifetime.
            ValueError: No other question's answer was used, and `drop_entry` is not set.
        """
        (job_id,) = checked_ids([job_id])
        return await self._backends.get().report_wrong(self._space(namespace), job_id, drop_entry=drop_entry)

    async def report_right(self, job_id: str, *, namespace: str | None = None) -> bool:
        """Reports that a job rightly got another question's answer: a label from which workers learn their error rate.

        It needs the job's result, as `report_wrong` does. It does not undo an earlier `report_wrong`: workers
        still do not match these two again.

        Args:
            job_id: The job's id.
            namespace: The job's namespace. None uses the client's.

        Returns:
            False if it was already known.

        Raises:
            AnswerTimeout: The job has no answer yet.
            StoreUnreachable: Redis does not answer.
            UnknownJob: The job was never submitted in this namespace, or is past its lifetime.
            ValueError: No other question's answer was used.
        """
        (job_id,) = checked_ids([job_id])
        return await self._backends.get().report_right(self._space(namespace), job_id)

"""The LLM behind the port: one chat completion, with retries, within the time a question has left."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter

from askonce.contract.counters import tokens
from askonce.contract.records import Body
from askonce.json_values import dumps
from askonce.prices.counts import tier_of_reply
from askonce.question import Question, Tier
from askonce_worker.answering.ports import Completion
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.calls import Call, OnCall, kind_of, not_told
from askonce_worker.providers.completion_reply import read_completion
from askonce_worker.providers.provider import ProviderClient, ProviderError, post, retried
from askonce_worker.providers.retry import Backoff

PATH = "/chat/completions"


class OpenAILLM:
    """Asks for chat completions.

    Args:
        client: From `provider.connect`.
        timeout: Seconds of one try.
        backoff: The pauses between tries.
        on_retry: Called before each pause with the error's kind, the pause in seconds and the model.
        on_rate_limit: Called with the model, and the seconds after which the provider allows the next call.
        counts: Counts every try, and its cost.
        on_call: Called after every try.
    """

    def __init__(
        self,
        client: ProviderClient,
        *,
        timeout: float,
        backoff: Backoff,
        on_retry: Callable[[str, float, str], None] | None = None,
        on_rate_limit: Callable[[str, float], None] | None = None,
        counts: CallCounts | None = None,
        on_call: OnCall = not_told,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._backoff = backoff
        self._on_retry = on_retry
        self._on_rate_limit = on_rate_limit
        self._counts = counts or CallCounts()
        self._on_call = on_call

    async def complete(
        self,
        question: Question,
        *,
        timeout: float,
        tier: Tier = "standard",
        again: Callable[[], Awaitable[None]] | None = None,
    ) -> Completion:
        """The provider's body.

        Args:
            question: What is asked.
            timeout: Seconds for all tries and pauses together.
            tier: How it is paid. Here questions are asked one by one, so `batch` is as dear as `standard`.
            again: Awaited before each try but the first.

        Raises:
            LLMError: No try was answered.
        """
        request = question.request()
        content = dumps({**request, "service_tier": "flex"} if tier == "flex" else request)
        deadline = asyncio.get_running_loop().time() + timeout
        ask = partial(self._ask, question, content, deadline)
        on_retry = partial(self._retrying, question)
        return await retried(ask, self._backoff, timeout=timeout, on_retry=on_retry, again=again)

    def _retrying(self, question: Question, kind: str, pause: float) -> None:
        if self._on_retry is not None:
            self._on_retry(kind, pause, question.model or "")

    async def _ask(self, question: Question, content: bytes, deadline: float) -> Completion:
        remaining = deadline - asyncio.get_running_loop().time()
        model, began = question.model or "", perf_counter()
        self._counts.called(question)
        try:
            raw = await post(self._client, PATH, content, timeout=min(self._timeout, remaining), model=model)
            body = read_completion(raw, self._client.redactor)
        except BaseException as error:  # cancelled ones too: the provider may have begun to answer
            self._counts.failed(question)
            self._on_call(Call("chat", model, perf_counter() - began, error=kind_of(error)))
            if isinstance(error, ProviderError):
                self._counts.paid(question, error.billed or {})
                self._note_rate_limit(question, error)
            raise
        cost = self._counts.paid(question, body)
        self._on_call(Call("chat", model, perf_counter() - began, "", *tokens(body)))
        return Completion(Body(body), cost, tier_of_reply(body))

    def _note_rate_limit(self, question: Question, error: ProviderError) -> None:
        if error.put_off and self._on_rate_limit is not None:
            self._on_rate_limit(question.model or "", error.retry_after or 0.0)

    async def close(self) -> None:
        await self._client.close()

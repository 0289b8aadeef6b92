"""The LLM behind the port: one chat completion, with retries, within the time a question has left."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import openai
import orjson

from askonce.question import Question
from askonce_worker.ports import Completion
from askonce_worker.provider import ProviderError, post, retried
from askonce_worker.retry import Backoff, Verdict
from askonce_worker.tally import Tally

PATH = "/chat/completions"
INVALID = Verdict("invalid_response", final=False)


class OpenAILLM:
    """client: from `provider.connect`. timeout: seconds of one try. on_retry: told kind and pause before each.
    on_rate_limit: told the model, and the seconds after which the provider wants to see us again.
    tally: counts every try, and what it cost.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        timeout: float,
        backoff: Backoff,
        on_retry: Callable[[str, float], None] | None = None,
        on_rate_limit: Callable[[str, float], None] | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._backoff = backoff
        self._on_retry = on_retry
        self._on_rate_limit = on_rate_limit
        self._tally = tally or Tally()

    async def complete(
        self, question: Question, *, timeout: float, again: Callable[[], Awaitable[None]] | None = None
    ) -> Completion:
        """The provider's body. timeout: seconds for all tries and pauses together. Raises LLMError."""
        content = orjson.dumps(question.request())
        deadline = asyncio.get_running_loop().time() + timeout
        ask = partial(self._ask, question, content, deadline)
        return await retried(ask, self._backoff, timeout=timeout, on_retry=self._on_retry, again=again)

    async def _ask(self, question: Question, content: bytes, deadline: float) -> Completion:
        remaining = deadline - asyncio.get_running_loop().time()
        self._tally.called(question)
        try:
            body = _checked(await post(self._client, PATH, content, timeout=min(self._timeout, remaining)))
        except BaseException as error:  # cancelled ones too: the provider may have begun to answer
            self._tally.failed(question)
            if isinstance(error, ProviderError):
                self._note_rate_limit(question, error)
            raise
        self._tally.paid(question, body)
        return Completion(body)

    def _note_rate_limit(self, question: Question, error: ProviderError) -> None:
        if error.put_off and self._on_rate_limit is not None:
            self._on_rate_limit(question.model or "", error.retry_after or 0.0)

    async def close(self) -> None:
        await self._client.close()


def _checked(raw: bytes) -> dict[str, Any]:
    """The body of a chat completion with at least one choice that has a message. Raises ProviderError."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProviderError(INVALID, "the provider's reply is not JSON", status=200) from error
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict) or not isinstance(first.get("message"), dict):
        raise ProviderError(INVALID, "the provider's reply has no choice", status=200, body=body)
    return body  # type: ignore[no-any-return]

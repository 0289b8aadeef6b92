"""The LLM behind the port: one chat completion, with retries, within the time a question has left."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

import openai
import orjson

from askonce.contract.counters import tokens
from askonce.question import Question
from askonce.readable import MAX_ANSWER_BYTES, completion_of, read_json
from askonce_worker.answering.ports import Completion
from askonce_worker.providers.calls import Call, OnCall, kind_of, not_told
from askonce_worker.providers.provider import ProviderError, post, retried
from askonce_worker.providers.retry import Backoff, Verdict
from askonce_worker.providers.tally import Tally

PATH = "/chat/completions"
INVALID = Verdict("invalid_response", final=False)


class OpenAILLM:
    """client: from `provider.connect`. timeout: seconds of one try. on_retry: told kind, pause and model before each.
    on_rate_limit: told the model, and the seconds after which the provider wants to see us again.
    tally: counts every try, and what it cost. on_call: told of every try once it has ended.
    """

    def __init__(
        self,
        client: openai.AsyncOpenAI,
        *,
        timeout: float,
        backoff: Backoff,
        on_retry: Callable[[str, float, str], None] | None = None,
        on_rate_limit: Callable[[str, float], None] | None = None,
        tally: Tally | None = None,
        on_call: OnCall = not_told,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._backoff = backoff
        self._on_retry = on_retry
        self._on_rate_limit = on_rate_limit
        self._tally = tally or Tally()
        self._on_call = on_call

    async def complete(
        self, question: Question, *, timeout: float, again: Callable[[], Awaitable[None]] | None = None
    ) -> Completion:
        """The provider's body. timeout: seconds for all tries and pauses together. Raises LLMError."""
        content = orjson.dumps(question.request())
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
        self._tally.called(question)
        try:
            body = _checked(await post(self._client, PATH, content, timeout=min(self._timeout, remaining)))
        except BaseException as error:  # cancelled ones too: the provider may have begun to answer
            self._tally.failed(question)
            self._on_call(Call("chat", model, perf_counter() - began, error=kind_of(error)))
            if isinstance(error, ProviderError):
                self._note_rate_limit(question, error)
            raise
        self._tally.paid(question, body)
        self._on_call(Call("chat", model, perf_counter() - began, "", *tokens(body)))
        return Completion(body)

    def _note_rate_limit(self, question: Question, error: ProviderError) -> None:
        if error.put_off and self._on_rate_limit is not None:
            self._on_rate_limit(question.model or "", error.retry_after or 0.0)

    async def close(self) -> None:
        await self._client.close()


def _checked(raw: bytes) -> dict[str, Any]:
    """The body of a chat completion: at least one choice, and each has a message. Raises ProviderError.

    A `model` or `usage` that is none is left out: the answer was paid for all the same.
    """
    try:
        body = read_json(_mended(raw), MAX_ANSWER_BYTES)
    except ValueError as error:
        raise ProviderError(INVALID, "the provider's reply is not JSON, or is too large", status=200) from error
    for name, kind in (("model", str), ("usage", dict)) if isinstance(body, dict) else ():
        if not isinstance(body.get(name), kind | None):
            del body[name]
    try:
        return completion_of(body)
    except ValueError as error:
        raise ProviderError(INVALID, "the provider's reply has no choice", status=200, body=body) from error


def _mended(raw: bytes) -> bytes:
    """Half a pair of surrogates, as models make of an emoji that is cut, becomes a question mark: it was paid for."""
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return raw

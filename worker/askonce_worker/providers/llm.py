"""The LLM behind the port: one completion or response, with retries, within the time a question has left."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

from askonce.contract.counters import tokens
from askonce.contract.records import Body
from askonce.json_values import dumps
from askonce.prices.counts import tier_of_reply
from askonce.question import Question, Tier
from askonce_worker.answering.ports import Again, Completion
from askonce_worker.providers.additions import AT_ONCE, NO_CAPACITY, TIER, Additions, declined, lacks_capacity
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.calls import Call, OnCall, kind_of, unobserved
from askonce_worker.providers.completion_reply import OK, read_completion
from askonce_worker.providers.key_budget import KeyBudget
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.provider import ProviderClient, ProviderError, post, retried
from askonce_worker.providers.retry import Backoff
from askonce_worker.providers.spend_limits import Aside

PATHS = {"chat": "/chat/completions", "responses": "/responses"}
"""Paths by a question's endpoint."""


@dataclass(slots=True)
class Request:
    """One question on its way to the provider.

    deadline: of the loop's clock. added: beside what the question says. paid: billionths, of all tries so far.
    """

    question: Question
    body: dict[str, Any]
    added: dict[str, Any]
    deadline: float
    paid: int | None = None

    @property
    def model(self) -> str:
        return self.question.model or ""

    @property
    def content(self) -> bytes:
        return dumps({**self.body, **self.added})

    def pay(self, cost: int | None) -> None:
        if cost is not None:
            self.paid = (self.paid or 0) + cost


class OpenAILLM:
    """Asks for chat completions and responses.

    Args:
        client: From `provider.connect`, with time for the longer one of the two timeouts.
        timeout: Seconds of one try.
        flex_timeout: Seconds of a try in the flex tier.
        backoff: The pauses between tries.
        additions: What requests have beside what their questions say.
        money: What may be spent.
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
        flex_timeout: float,
        backoff: Backoff,
        additions: Additions,
        money: MoneyBudget | KeyBudget,
        on_retry: Callable[[str, float, str], None] | None = None,
        on_rate_limit: Callable[[str, float], None] | None = None,
        counts: CallCounts | None = None,
        on_call: OnCall = unobserved,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._flex_timeout = flex_timeout
        self._backoff = backoff
        self._additions = additions
        self._money = money
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
        again: Again | None = None,
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
        deadline = asyncio.get_running_loop().time() + timeout
        request = Request(question, question.request(), self._additions.to(question, tier), deadline)
        ask = partial(self._ask, request, again)
        on_retry = partial(self._retrying, question)
        return await retried(ask, self._backoff, timeout=timeout, on_retry=on_retry, again=again)

    def _retrying(self, question: Question, kind: str, pause: float) -> None:
        if self._on_retry is not None:
            self._on_retry(kind, pause, question.model or "")

    async def _ask(self, request: Request, again: Again | None) -> Completion:
        """What the provider will not have of our own additions is left out at once."""
        while True:
            try:
                return await self._try(request)
            except ProviderError as error:
                if not self._does_without(request, error):
                    raise
            if again is not None:
                await again()

    def _does_without(self, request: Request, error: ProviderError) -> bool:
        """Whether there is nothing to wait for before the next try.

        Flex has one try: unless it is asked to come back later, as all tiers are at a rate limit.
        """
        refused = declined(error, request.added)
        if refused is not None:
            self._additions.refuse(request.model, refused)
            del request.added[refused]
        elif TIER in request.added and not error.final and not error.put_off:
            del request.added[TIER]
            return error.kind in AT_ONCE
        return refused is not None

    async def _try(self, request: Request) -> Completion:
        seconds, size = self._seconds_of(request), len(request.content)
        async with self._money.call(request.question, size, seconds, request.deadline) as aside:
            seconds = self._seconds_of(request)  # it may have waited
            return await self._send(request, request.content, seconds, aside)

    async def _send(self, request: Request, content: bytes, timeout: float, aside: Aside) -> Completion:
        question, model, began = request.question, request.model, perf_counter()
        self._counts.called(question)
        try:
            raw = await post(self._client, PATHS[question.endpoint], content, timeout=timeout, model=model)
            body = read_completion(raw, self._client.redactor, question.endpoint)
        except BaseException as error:  # cancelled ones too: the provider may have begun to answer
            if isinstance(error, ProviderError) and TIER in request.added and lacks_capacity(error):
                error.kind, error.final = NO_CAPACITY, False
            self._counts.failed(question)
            self._on_call(Call("chat", model, perf_counter() - began, error=kind_of(error)))
            if isinstance(error, ProviderError):
                aside.cost = self._counts.paid(question, error.billed or {})
                request.pay(aside.cost)
                if aside.cost is None and (error.kind == "connection" or error.status not in (None, OK)):
                    aside.cost = 0
                self._note_rate_limit(question, error)
            raise
        aside.cost = self._counts.paid(question, body)
        request.pay(aside.cost)
        counted = tokens(body)
        self._money.learn(model, counted[1])
        self._on_call(Call("chat", model, perf_counter() - began, "", *counted))
        return Completion(Body(body), request.paid, tier_of_reply(body))

    def _seconds_of(self, request: Request) -> float:
        """For the next try. After one in the flex tier there is time for one in the standard tier."""
        remaining = request.deadline - asyncio.get_running_loop().time()
        if TIER in request.added and remaining > self._timeout:
            return min(self._flex_timeout, remaining - self._timeout)
        request.added.pop(TIER, None)
        return min(self._timeout, remaining)

    def _note_rate_limit(self, question: Question, error: ProviderError) -> None:
        if error.put_off and self._on_rate_limit is not None:
            self._on_rate_limit(question.model or "", error.retry_after or 0.0)

    async def close(self) -> None:
        await self._client.close()

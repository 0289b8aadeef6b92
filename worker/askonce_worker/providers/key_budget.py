"""Budgets of front-door keys, in addition to those of namespaces, over all workers.

They are stored like those of namespaces (`money_budget.py`), under `key:NAME`, which cannot be a namespace. The limit
itself comes with the question.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from askonce.question import Question
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.spend_limits import Aside, SpendLimit


class KeyBudget:
    """namespaces: what those may spend."""

    def __init__(self, namespaces: MoneyBudget) -> None:
        self._limits: dict[str, SpendLimit] = {}
        self._namespaces, self._own = namespaces, namespaces.beside(self._limits)

    @asynccontextmanager
    async def call(self, question: Question, size: int, seconds: float, until: float) -> AsyncIterator[Aside]:
        """Like `MoneyBudget.call`."""
        if question.payer is None:
            async with self._namespaces.call(question, size, seconds, until) as aside:
                yield aside
            return
        async with AsyncExitStack() as stack:
            try:
                own = await stack.enter_async_context(self._own.call(self._of_key(question), size, seconds, until))
            except LLMError as error:
                error.own = True
                raise
            own.cost = 0  # the namespace may not let it pass
            aside = await stack.enter_async_context(self._namespaces.call(question, size, seconds, until))
            try:
                yield aside
            finally:
                own.cost = aside.cost

    async def take(self, question: Question, seconds: float, *, patient: bool) -> float:
        """Like `MoneyBudget.take`. While waiting for the namespace's budget, nothing of the key's is held."""
        if question.payer is None:
            return await self._namespaces.take(question, seconds, patient=patient)
        own = self._of_key(question)
        wait = await self._own.take(own, seconds, patient=patient)
        if not wait and (wait := await self._namespaces.take(question, seconds, patient=patient)):
            self._own.give_back(own)
        return wait

    def give_back(self, question: Question) -> None:
        """Like `MoneyBudget.give_back`."""
        if question.payer is not None:
            self._own.give_back(self._of_key(question))
        self._namespaces.give_back(question)

    def learn(self, model: str, tokens: int) -> None:
        """Note how many tokens an answer had."""
        self._namespaces.learn(model, tokens)
        self._own.learn(model, tokens)

    async def aclose(self) -> None:
        await self._own.aclose()

    def _of_key(self, question: Question) -> Question:
        """The question under the account of its key."""
        payer = question.payer
        assert payer is not None
        account = f"key:{payer.key}"
        self._limits[account] = SpendLimit(payer.nano, payer.period)
        return question.with_fields(namespace=account)

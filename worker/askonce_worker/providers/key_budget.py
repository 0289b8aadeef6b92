"""What keys of the front door may spend: each its own bound, beside that of its namespace, over all workers.

It is kept as that of a namespace is (`money_budget.py`), under `key:NAME`, which no namespace can be called. The bound
itself comes with the question.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from askonce.question import Question
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.money_budget import Aside, MoneyBudget
from askonce_worker.providers.spend_limits import SpendLimit


class KeyBudget:
    """namespaces: what those may spend."""

    def __init__(self, namespaces: MoneyBudget) -> None:
        self._limits: dict[str, SpendLimit] = {}
        self._namespaces, self._own = namespaces, namespaces.beside(self._limits)

    @asynccontextmanager
    async def call(self, question: Question, size: int, seconds: float, until: float) -> AsyncIterator[Aside]:
        """As `MoneyBudget.call`."""
        payer = question.payer
        if payer is None:
            async with self._namespaces.call(question, size, seconds, until) as aside:
                yield aside
            return
        account = f"key:{payer.key}"
        self._limits[account] = SpendLimit(payer.nano, payer.period)
        async with AsyncExitStack() as stack:
            try:
                own = await stack.enter_async_context(
                    self._own.call(question.with_fields(namespace=account), size, seconds, until)
                )
            except LLMError as error:
                error.own = True
                raise
            own.cost = 0  # the namespace may not let it pass
            aside = await stack.enter_async_context(self._namespaces.call(question, size, seconds, until))
            try:
                yield aside
            finally:
                own.cost = aside.cost

    def learn(self, model: str, tokens: int) -> None:
        """An answer had so many."""
        self._namespaces.learn(model, tokens)
        self._own.learn(model, tokens)

    async def aclose(self) -> None:
        await self._own.aclose()

"""What namespaces may spend in a day or a month, counted over all workers.

Before each try at the provider what it may cost is set aside in Redis, and afterwards what it cost is put in its place:
so a budget is passed by no more than what the calls under way cost beyond their estimates. What a killed worker has set
aside is not held once its sign of life has run out, and counts as spent, since its calls may have been paid.

A prompt is estimated by its length. Of an answer the bound of its request is taken, or else the longest answer of its
model so far.
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.counts import as_count, completion_limit
from askonce.prices.load import Prices
from askonce.prices.money import amount, from_nano
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.spend_limits import SpendLimit

log = structlog.get_logger()

RESERVE = Script("askonce_worker.providers", "reserve_money")
SETTLE = Script("askonce_worker.providers", "settle_money")

LATE = 30.0
"""Seconds after the end of a call for which its worker may take to say what it cost."""
PAUSE = 0.4
"""Seconds, about, until a call asks again that others leave no room for now."""
FIRST_GUESS = 500
"""Tokens of an answer, before any of its model was seen."""
TOKEN_BYTES = 4


@dataclass(slots=True)
class Aside:
    """Money that is set aside. cost: what came of it, in billionths; None where only the provider knows."""

    namespace: str
    name: str
    nano: int
    cost: int | None = None


class MoneyBudget:
    """worker: its name. limits: by namespace; others may spend what they like. prices: of the provider."""

    def __init__(
        self, redis: Redis, keys: Keys, *, worker: str, limits: Mapping[str, SpendLimit], prices: Prices
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._worker = worker
        self._limits = limits
        self._prices = prices
        self._longest: dict[str, int] = {}
        self._settled: dict[str, list[Aside]] = {}
        self._settling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def call(self, question: Question, size: int, seconds: float, until: float) -> AsyncIterator[Aside]:
        """One try at the provider. Its `cost` is to be set inside the block.

        size: bytes of the request. seconds: that it may take. until: when it no longer waits for others (the loop's
        clock). Raises LLMError of kind `budget`: final, but for one that has waited in vain.
        """
        namespace = question.namespace or ""
        if namespace not in self._limits:
            yield Aside(namespace, "", 0)
            return
        aside = await self.reserve(namespace, self._estimate(question, size), seconds, until)
        try:
            yield aside
        finally:
            self.settle(aside)

    async def reserve(self, namespace: str, nano: int, seconds: float, until: float) -> Aside:
        """Waits while others hold what is left. Raises LLMError of kind `budget`."""
        aside = Aside(namespace, f"{self._worker}/{secrets.token_hex(8)}", nano)
        try:
            async with asyncio.timeout_at(until) as waiting:
                while True:
                    if await self._is_taken(aside, seconds):
                        return aside
                    await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
        except LLMError:
            raise
        except BaseException as error:  # it may have been set aside all the same
            aside.cost = 0
            self.settle(aside)
            if not waiting.expired():
                raise
            words = f"calls under way held what is left of the budget of {namespace} until the question's deadline"
            raise LLMError("budget", words, final=False) from error

    async def _is_taken(self, aside: Aside, seconds: float) -> bool:
        """False where others hold what is left."""
        namespace, limit = aside.namespace, self._limits[aside.namespace]
        verdict, spent, nearly = await RESERVE(
            self._redis,
            [*self._places(namespace), self._keys.workers],
            [namespace, limit.period, limit.nano, aside.name, aside.nano, int((seconds + LATE) * 1000)],
        )
        self._warn(namespace, int(spent), nearly)
        if verdict == b"over":
            raise LLMError(
                "budget", _words(namespace, limit, int(spent), aside.nano, self._prices.currency), final=True
            )
        return bool(verdict == b"taken")

    def settle(self, aside: Aside) -> None:
        """Off the caller's way: all that end within a round trip are settled with the next."""
        self._settled.setdefault(aside.namespace, []).append(aside)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    def learn(self, model: str, tokens: int) -> None:
        """An answer had so many."""
        self._longest[model] = max(tokens, self._longest.get(model, 0))

    async def aclose(self) -> None:
        if self._settling is not None:
            await asyncio.wait({self._settling})

    async def _settle(self) -> None:
        while self._settled:
            namespace, done = self._settled.popitem()
            limit = self._limits[namespace]
            calls = [(each.name, each.nano, each.nano if each.cost is None else each.cost) for each in done]
            try:
                spent, nearly = await SETTLE(
                    self._redis,
                    self._places(namespace),
                    [namespace, limit.period, limit.nano, *(part for call in calls for part in call)],
                )
                self._warn(namespace, int(spent), nearly)
            except TROUBLE as error:  # it lapses, and counts as it was estimated
                log.warning("budget.not_settled", cause=type(error).__name__, calls=len(done))

    def _estimate(self, question: Question, size: int) -> int:
        model, params = question.model or "", question.params
        most = as_count(completion_limit(params)) or self._longest.get(model, FIRST_GUESS)
        answer = most * max(1, as_count(params.get("n")))
        cost = self._prices.total(model, (size // TOKEN_BYTES + 1, 0, answer))
        if cost is None:
            words = f"no price of {model} is known, and its namespace has a budget: name one in ASKONCE_PRICES"
            raise LLMError("budget", words, final=True)
        return cost

    def _places(self, namespace: str) -> list[str]:
        keys = self._keys.budgets
        return [keys.sums, keys.held(namespace), keys.lapsed(namespace)]

    def _warn(self, namespace: str, spent: int, nearly: int) -> None:
        if nearly:
            limit = self._limits[namespace]
            log.warning(
                "budget.nearly_spent",
                namespace=namespace,
                spent=round(from_nano(spent), 4),
                limit=from_nano(limit.nano),
                period=limit.period,
            )


def _words(namespace: str, limit: SpendLimit, spent: int, nano: int, currency: str) -> str:
    money = f"{amount(from_nano(spent))} of {amount(from_nano(limit.nano))} {currency} are spent"
    return (
        f"the budget of {namespace} for this {limit.period}: {money}, and this call may cost {amount(from_nano(nano))}"
    )

"""Daily or monthly budgets of namespaces, counted over all workers.

Before each try at the provider, its maximum cost is reserved in Redis, and afterwards replaced by its actual cost. So a
budget is exceeded at most by what calls in flight cost beyond their estimates. A killed worker's reservations are
released once its heartbeat has expired, and count as spent, because its calls may have been paid for.

What a call may cost is estimated by its tokens (`longest_answers.py`).
"""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.json_values import dumps
from askonce.prices.counts import STANDARD
from askonce.prices.load import Prices
from askonce.prices.money import from_nano
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.longest_answers import LongestAnswers, is_limited
from askonce_worker.providers.others_budgets import OthersBudgets
from askonce_worker.providers.spend_limits import Aside, SpendLimit, refusal_of

log = structlog.get_logger()

RESERVE = Script("askonce_worker.providers", "reserve_money")
SETTLE = Script("askonce_worker.providers", "settle_money")

LATE = 30.0
"""Seconds after the end of a call within which its worker must report the cost."""
PAUSE = 0.4
"""Seconds, roughly, until a call for which there is no room now asks again."""


class MoneyBudget:
    """worker: its name. limits: by namespace; others are unlimited here, and counted by `others`. prices: of the
    provider."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        worker: str,
        limits: Mapping[str, SpendLimit],
        prices: Prices,
        others: OthersBudgets | None = None,
    ) -> None:
        self._others = others
        self._redis = redis
        self._keys = keys
        self._worker = worker
        self._limits = limits
        self._prices = prices
        self._longest = LongestAnswers(redis, keys)
        self._in_hand: dict[str, Aside | LLMError] = {}
        self._full: dict[str, float] = {}
        self._settled: dict[str, list[Aside]] = {}
        self._settling: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def call(self, question: Question, size: int, seconds: float, until: float) -> AsyncIterator[Aside]:
        """One try at the provider. Set its `cost` inside the block.

        size: bytes of the request. seconds: its maximum duration. until: when it stops waiting for others (the loop's
        clock). Raises LLMError of kind `budget`, which is final unless it has waited in vain.
        """
        namespace = question.namespace or ""
        if namespace not in self._limits:
            free = Aside(namespace, "", 0)
            try:
                yield free
            finally:
                self._count_for_others(question, size, free)
            return
        aside = self._in_hand.pop(_name_of(question), None)
        if isinstance(aside, LLMError):
            raise aside
        if aside is None:
            aside = await self.reserve(namespace, self.estimate(question, size), seconds, until)
        try:
            yield aside
        finally:
            self.settle(aside)

    async def take(self, question: Question, seconds: float, *, patient: bool) -> float:
        """Reserves what the next `call` of this question may cost, without waiting for others.

        patient: it may wait for money held by batches, which take hours.
        Returns the seconds after which to ask again; 0: it is set aside, or the call itself will say why it is not.
        """
        namespace, name = question.namespace or "", _name_of(question)
        if namespace not in self._limits or name in self._in_hand:
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._full.get(namespace, 0.0) > now:  # of many that wait one asks
            return self._full[namespace] - now + 4 * PAUSE * random.random()
        aside = self._aside(namespace, 0)
        try:
            await self._longest.look_up(question.model or "")
            aside.nano = self.estimate(question, len(dumps(question.request())))
            if await self._is_taken(aside, seconds, patient=patient):
                self._in_hand[name] = aside
                return 0.0
        except LLMError as error:
            self._in_hand[name] = error
            return 0.0
        except BaseException:  # it may have been set aside all the same
            self._undo(aside)
            raise
        self._full[namespace] = now + PAUSE
        return PAUSE * random.uniform(0.5, 1.5)

    def give_back(self, question: Question) -> None:
        """Returns what was reserved for it and not used by a call."""
        aside = self._in_hand.pop(_name_of(question), None)
        if isinstance(aside, Aside):
            self._undo(aside)

    async def reserve(self, namespace: str, nano: int, seconds: float, until: float) -> Aside:
        """Reserves, waiting while others hold the rest. Raises LLMError of kind `budget`."""
        aside = self._aside(namespace, nano)
        try:
            async with asyncio.timeout_at(until) as waiting:
                while True:
                    if await self._is_taken(aside, seconds):
                        return aside
                    await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))
        except LLMError:
            raise
        except BaseException as error:  # it may have been set aside all the same
            self._undo(aside)
            if not waiting.expired():
                raise
            words = f"calls in flight held the remainder of the budget of {namespace} until the question's deadline"
            raise LLMError("budget", words, final=False) from error

    async def _is_taken(self, aside: Aside, seconds: float, *, patient: bool = True) -> bool:
        """False if others hold the rest."""
        namespace, limit = aside.namespace, self._limits[aside.namespace]
        verdict, spent, nearly = await RESERVE(
            self._redis,
            [*self._places(namespace), self._keys.workers],
            [namespace, limit.period, limit.nano, aside.name, aside.nano, int((seconds + LATE) * 1000)],
        )
        if nearly:
            self.warn(namespace)
        if verdict == b"over":
            raise self.refusal(namespace, int(spent), aside.nano)
        if verdict == b"batches" and not patient:
            words = f"batches hold the remainder of the budget of {namespace} for this {limit.period}"
            raise LLMError("budget", words, final=True)
        return bool(verdict == b"taken")

    def _aside(self, namespace: str, nano: int) -> Aside:
        return Aside(namespace, f"{self._worker}/{secrets.token_hex(8)}", nano)

    def _undo(self, aside: Aside) -> None:
        aside.cost = 0
        self.settle(aside)

    def settle(self, aside: Aside) -> None:
        """Settles in the background: calls that end during one round trip are settled in the next."""
        self._settled.setdefault(aside.namespace, []).append(aside)
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._settle())

    def learn(self, model: str, tokens: int) -> None:
        """Note how many tokens an answer had."""
        if self._limits:
            self._longest.learn(model, tokens)

    async def is_guessed(self, question: Question) -> bool:
        """Whether its answer is unbounded, and no answer of its model is known."""
        return not is_limited(question) and await self._longest.look_up(question.model or "") is None

    def beside(self, limits: Mapping[str, SpendLimit]) -> "MoneyBudget":
        return MoneyBudget(self._redis, self._keys, worker=self._worker, limits=limits, prices=self._prices)

    async def aclose(self) -> None:
        await self._longest.aclose()
        if self._settling is not None:
            await asyncio.wait({self._settling})

    async def _settle(self) -> None:
        while self._settled:
            namespace, done = self._settled.popitem()
            limit = self._limits[namespace]
            calls = [(each.name, each.nano, each.nano if each.cost is None else each.cost) for each in done]
            try:
                _, nearly = await SETTLE(
                    self._redis,
                    self._places(namespace),
                    [namespace, limit.period, limit.nano, *(part for call in calls for part in call)],
                )
                if nearly:
                    self.warn(namespace)
            except TROUBLE as error:  # it lapses, and counts as it was estimated
                log.warning("budget.not_settled", cause=type(error).__name__, calls=len(done))

    def limit_of(self, namespace: str) -> SpendLimit | None:
        return self._limits.get(namespace)

    def estimate(self, question: Question, size: int, tier: str = STANDARD) -> int:
        """Maximum cost in billionths of a request of this many bytes. Raises LLMError: its model has no price."""
        model = question.model or ""
        cost = self._prices.total(model, self._longest.tokens_of(question, size), tier)
        if cost is None:
            words = f"no price of {model} is known, and its namespace has a budget: name one in ASKONCE_PRICES"
            raise LLMError("budget", words, final=True)
        return cost

    def _count_for_others(self, question: Question, size: int, made: Aside) -> None:
        if self._others is not None:
            with suppress(LLMError):  # it has no price
                self._others.spent(made.namespace, self.estimate(question, size) if made.cost is None else made.cost)

    def refusal(self, namespace: str, spent: int, nano: int) -> LLMError:
        """The error for a call with this maximum cost, after this much was spent (billionths)."""
        words = refusal_of(namespace, self._limits[namespace], spent, nano, self._prices.currency)
        return LLMError("budget", words, final=True)

    def warn(self, namespace: str) -> None:
        """Logs, once, that nearly all of a budget is spent."""
        limit = self._limits.get(namespace)
        if limit is not None:
            log.warning("budget.nearly_spent", namespace=namespace, limit=from_nano(limit.nano), period=limit.period)

    def _places(self, namespace: str) -> list[str]:
        keys = self._keys.budgets
        return [keys.sums, keys.held(namespace), keys.lapsed(namespace)]


def _name_of(question: Question) -> str:
    return f"{question.namespace}:{question.job_id}"

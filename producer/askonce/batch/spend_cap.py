"""The spend cap of a run, earlier starts included: no call is made that could exceed it."""

import asyncio
from collections.abc import Iterable

from askonce.batch.estimated import estimated_tokens, most_completed
from askonce.batch.totals import RunTotals
from askonce.prices.load import Prices
from askonce.prices.money import amount
from askonce.question import Question

FIRST_GUESS = 500
"""Assumed tokens of an unbounded answer until its model has answered; from then on, the longest answer so far."""

COST, TOKENS = "--max-cost", "--max-tokens-total"
Estimate = tuple[int, int]
"""Billionths, and tokens."""


class SpendCap:
    """A bound on money, on tokens, or on neither.

    Attributes:
        reached: The bound that the next call could exceed even with nothing in flight; '' for none.

    Args:
        cost: Billionths; None for no bound.
        tokens: Prompt and completion; None for no bound.
        totals: What has been spent.
    """

    def __init__(self, prices: Prices, totals: RunTotals, *, cost: int | None, tokens: int | None) -> None:
        self.reached = ""
        self._prices = prices
        self._totals = totals
        self._cost = cost
        self._tokens = tokens
        self._underway: dict[str, Estimate] = {}
        self._held: Estimate = (0, 0)
        self._longest: dict[str, int] = {}
        self._moved = asyncio.Event()

    def check(self, questions: Iterable[Question]) -> None:
        """Raises ValueError if money is bounded and a model has no price."""
        if self._cost is not None:
            for question in questions:
                self._estimate(question)

    async def admit(self, job_id: str, question: Question) -> bool:
        """Waits while calls in flight may use up the rest. False: it must not be asked. Raises ValueError."""
        if self._cost is None and self._tokens is None:
            return True
        estimate = self._estimate(question)
        while (bound := self._bound_passed_by(estimate)) is not None:
            if not self._underway:
                self.reached = bound
                return False
            self._moved.clear()
            await self._moved.wait()
        self._hold(job_id, estimate)
        return True

    def answered(self, job_id: str, model: str, completion: int) -> None:
        """Its cost is now in the totals. completion: tokens of the answer."""
        if job_id in self._underway:
            self._let_go(job_id)
            self._longest[model] = max(completion, self._longest.get(model, 0))
            self._moved.set()

    def words(self, not_asked: int | None) -> str:
        """Why the run stopped. not_asked: the number of lines, if known."""
        spent = f"{self._totals.spent.total:,} tokens"
        if self.reached == COST:
            spent = f"{amount(self._totals.spent.cost)} {self._prices.currency}"
        left = "the rest was" if not_asked is None else f"{not_asked:,} lines were"
        return (
            f"stopped for {self.reached}: {spent} spent, {left} not asked; the same command continues with a higher one"
        )

    def _bound_passed_by(self, estimate: Estimate) -> str | None:
        """The bound that would be exceeded if every call in flight cost its maximum."""
        cost, tokens = _sum(estimate, self._held)
        spent = self._totals.spent
        if self._cost is not None and spent.nano + cost > self._cost:
            return COST
        return TOKENS if self._tokens is not None and spent.total + tokens > self._tokens else None

    def _hold(self, job_id: str, estimate: Estimate) -> None:
        self._underway[job_id] = estimate
        self._held = _sum(self._held, estimate)

    def _let_go(self, job_id: str) -> None:
        cost, tokens = self._underway.pop(job_id)
        self._held = (self._held[0] - cost, self._held[1] - tokens)

    def _estimate(self, question: Question) -> Estimate:
        """At the standard tier's price, because a flex call may be billed as standard."""
        model, prompt = question.model or "", estimated_tokens(question)
        most = most_completed(question)
        answer = 0 if most is None else most or self._longest.get(model, FIRST_GUESS)
        cost = self._prices.total(model, (prompt, 0, answer)) if self._cost is not None else 0
        if cost is None:
            raise ValueError(f"{COST}: no price of {model} is known; {self._prices.hint}, or {TOKENS} bounds it")
        return cost, prompt + answer


def _sum(one: Estimate, other: Estimate) -> Estimate:
    return one[0] + other[0], one[1] + other[1]

"""What a call needs before it is made: a share of the provider's limits and of its payers' budgets."""

from collections.abc import Mapping
from typing import Any

from askonce.question import Question
from askonce_worker.providers.key_budget import KeyBudget
from askonce_worker.providers.rate_budget import RateBudget, RateReservation


class Allowance:
    """seconds: maximum duration of a call."""

    def __init__(self, rates: RateBudget, money: KeyBudget, *, seconds: float) -> None:
        self._rates = rates
        self._money = money
        self._seconds = seconds

    def __call__(self, question: Question, lane: str) -> "Share":
        return Share(self._rates(question, lane), self._money, question, self._seconds, patient=lane == "bulk")


class Share:
    """One call's share. Money comes first: a call waiting for it uses none of the provider's limits meanwhile.

    patient: it also waits for money held by batches.
    """

    def __init__(
        self, rate: RateReservation, money: KeyBudget, question: Question, seconds: float, *, patient: bool
    ) -> None:
        self._rate = rate
        self._money = money
        self._question = question
        self._seconds = seconds
        self._patient = patient
        self._lacks_money = False

    async def take(self) -> float:
        wait = await self._money.take(self._question, self._seconds, patient=self._patient)
        self._lacks_money = wait > 0
        return wait or await self._rate.take()

    def waits_alone(self) -> bool:
        return self._lacks_money

    def renew(self) -> None:
        self._rate.renew()

    def spent(self, usage: Mapping[str, Any] | None = None) -> None:
        self._rate.spent(usage)

    def give_back(self) -> None:
        self._rate.give_back()
        self._money.give_back(self._question)

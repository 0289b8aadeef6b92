"""Reserves what the lines of a batch may cost from the budgets of their namespaces, before its file is sent.

The reservation is stored with the question, at batch prices. The scripts that settle the question or move it out of its
batch charge or release it, so a worker that dies leaves nothing reserved for ever, and nothing counted twice.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from askonce_worker.answering.answers import failure_of
from askonce_worker.answering.ports import LLMError
from askonce_worker.parked.records import Parked
from askonce_worker.parked.settling import TIER, Settling
from askonce_worker.parked.store import ParkedStore
from askonce_worker.providers.money_budget import MoneyBudget

Line = tuple[Parked, bytes]
GUESSED = 10
"""The part of a budget that a batch with unbounded answers may use until the model has answered: answers may be this
many times longer than guessed."""


@dataclass(slots=True)
class Paid:
    """lines: those that may be sent. waits: ids for which the budget currently has no room."""

    lines: list[Line] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)


class Paying:
    """money: what namespaces may spend, at the prices of the provider whose batches these are."""

    def __init__(self, store: ParkedStore, settling: Settling, money: MoneyBudget) -> None:
        self._store = store
        self._settling = settling
        self._money = money

    async def afford(self, lines: Sequence[Line], *, first: bool) -> Paid:
        """Reserves money. Questions over the budget fail with kind `budget`.

        first: no other batch of their pool is running.
        """
        paid = Paid()
        bounded: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            namespace = line[0].question.namespace or ""
            if self._money.limit_of(namespace) is None:
                paid.lines.append(line)
            else:
                bounded[namespace].append(line)
        refused: list[tuple[Parked, LLMError]] = []
        for namespace, some in bounded.items():
            refused += await self._set_aside(namespace, some, paid, first=first)
        await self._settling.refused([(parked, failure_of(error)) for parked, error in refused])
        return paid

    async def _set_aside(
        self, namespace: str, lines: Sequence[Line], paid: Paid, *, first: bool
    ) -> list[tuple[Parked, LLMError]]:
        """Reserves money; returns those over the budget."""
        limit = self._money.limit_of(namespace)
        assert limit is not None
        wanted, refused = await self._estimated(lines, paid, guesses=limit.nano // GUESSED if first else 0)
        if not wanted:
            return refused
        spent, verdicts = await self._store.afford(namespace, limit, [(parked.id, nano) for parked, _, nano in wanted])
        for (parked, line, nano), verdict in zip(wanted, verdicts, strict=True):
            if verdict == b"over":
                refused.append((parked, self._money.refusal(namespace, spent, nano)))
            elif verdict == b"wait":
                paid.waits.append(parked.id)
            else:
                paid.lines.append((parked, line))
        return refused

    async def _estimated(
        self, lines: Sequence[Line], paid: Paid, *, guesses: int
    ) -> tuple[list[tuple[Parked, bytes, int]], list[tuple[Parked, LLMError]]]:
        """Lines with their maximum cost, and those without a price.

        guesses: billionths for all but one of those whose answers' length is unknown; 0 if there are none.
        """
        wanted, refused, guessed = [], [], 0
        for parked, line in lines:
            blind = await self._money.is_guessed(parked.question)
            try:
                nano = self._money.estimate(parked.question, len(line), TIER)
            except LLMError as error:
                refused.append((parked, error))
                continue
            if blind and (not guesses or (guessed and guessed + nano > guesses)):
                paid.waits.append(parked.id)
                continue
            guessed += nano if blind else 0
            wanted.append((parked, line, nano))
        return wanted, refused

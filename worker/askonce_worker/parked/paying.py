"""What the lines of a batch may cost is set aside in the budgets of their namespaces, before its file is sent.

It is set aside beside the question, at the prices of batches, and put in place or given back by the scripts that settle
the question or move it out of its batch: so a worker that dies leaves nothing held for ever, and nothing counted twice.
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
"""What part of a budget a batch may take whose answers nothing bounds, while none of the model was seen: they may be so
many times as long as is guessed."""


@dataclass(slots=True)
class Paid:
    """lines: that may be sent. waits: ids of those that others leave no room for now."""

    lines: list[Line] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)


class Paying:
    """money: what namespaces may spend, at the prices of the provider whose batches these are."""

    def __init__(self, store: ParkedStore, settling: Settling, money: MoneyBudget) -> None:
        self._store = store
        self._settling = settling
        self._money = money

    async def afford(self, lines: Sequence[Line], *, first: bool) -> Paid:
        """Questions over the budget fail, with the kind `budget`.

        first: no other batch of their pool runs.
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
        """Returns those that are over the budget."""
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
        """Lines with what they may cost, and those that have no price.

        guesses: billionths for those about whose answers nothing is known, but for one of them; 0 for none at all.
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

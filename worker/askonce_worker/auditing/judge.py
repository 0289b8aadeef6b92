"""The judge: a small model that is asked whether two answers say the same, in the background, several pairs per call.

It has a daily budget (`judge_calls.py`). If it fails, or the budget is used up, it is left alone for a while, and
matches that need a judge are not examined. A call only has pairs of one namespace.

Equal answers cost nothing, but still wait for a call of others and share its fate. Otherwise, while the judge fails,
only they would be counted, and no wrong hit would ever be found.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.audit.comparing import compare, text_of_answer
from askonce_worker.audit.judging import INSTRUCTIONS, LETTERS, MOST_CHARS, Compared, fits, message
from askonce_worker.auditing.judge_calls import FAILURES, JudgeCalls
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.ports import Pair, Told

log = structlog.get_logger()

PAIRS = 8
"""Pairs per call."""
GATHERED = 0.2
"""Seconds for which pairs gather."""
MOST_WAITING = 500
MOST_ALIKE = 50
"""Maximum equal pairs that wait for a call of others; beyond that, one of them is asked about."""
CLOSED = 30.0
"""Seconds of pause after a failure, or a used-up budget."""


@dataclass(frozen=True, slots=True)
class Waiting:
    namespace: str
    compared: Compared
    is_hit: bool
    told: Told


class Judge:
    def __init__(
        self,
        calls: JudgeCalls,
        ledger: JudgeLedger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._calls = calls
        self._ledger = ledger
        self._clock = clock
        self._closed_until = 0.0
        self._waiting: deque[Waiting] = deque()
        self._alike: list[Waiting] = []
        self._came = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._clock() >= self._closed_until and len(self._waiting) < MOST_WAITING

    def put(self, pair: Pair, told: Told) -> None:
        question, cached = pair.question.prompt(), text_of_answer(pair.look.body)
        if not self.is_open or not fits(question, cached):
            told(None)
            return
        compared = Compared(question, cached, text_of_answer(pair.fresh)[:MOST_CHARS])
        waiting = Waiting(pair.question.namespace or "", compared, pair.look.found != "miss", told)
        if compare(pair.fresh, pair.look.body) and len(self._alike) < MOST_ALIKE:
            self._alike.append(waiting)
            return
        self._waiting.append(waiting)
        self._came.set()

    async def run(self) -> None:
        """Judge waiting pairs until cancelled; every pair still waiting then gets no verdict, so that nobody waits
        on."""
        try:
            while True:
                await self._came.wait()
                await asyncio.sleep(GATHERED)
                batch = self._next()
                if not self._waiting:
                    self._came.clear()
                if batch:
                    await self._judge(batch)
        finally:
            for each in (*self._waiting, *self._alike):
                each.told(None)

    def _next(self) -> list[Waiting]:
        """Pairs of the namespace that has waited longest. Texts of different namespaces never share a call."""
        ours = [each for each in self._waiting if each.namespace == self._waiting[0].namespace][:PAIRS]
        taken = {id(each) for each in ours}
        self._waiting = deque(each for each in self._waiting if id(each) not in taken)
        return ours

    async def _judge(self, batch: Sequence[Waiting]) -> None:
        said: list[bool | None] = [None] * len(batch)
        alike: list[Waiting] = []
        agreed = None
        try:
            said = await self._ledger.verdicts([each.compared.id for each in batch])
            new = [at for at, verdict in enumerate(said) if verdict is None]
            if new:
                alike, self._alike = self._alike, []
                for at, verdict in zip(new, await self._verdicts([batch[at] for at in new]), strict=True):
                    said[at] = verdict
                agreed = True
        except FAILURES as error:
            self._close(error)
        finally:
            for each, verdict in zip((*batch, *alike), (*said, *[agreed] * len(alike)), strict=True):
                each.told(verdict)

    def _close(self, error: Exception) -> None:
        self._closed_until = self._clock() + CLOSED
        log.warning("judge.closed", error=type(error).__name__, reason=str(error)[:200], seconds=CLOSED)

    async def _verdicts(self, batch: Sequence[Waiting]) -> list[bool | None]:
        """A verdict `different` on a hit must be given twice, the second time with the answers swapped, because a false
        one costs more than any other mistake. If it cannot be repeated, the first one counts: `different` must not be
        left out more often than `same`."""
        said: list[bool | None] = [*await self._ask([each.compared for each in batch])]
        doubted = [at for at, each in enumerate(batch) if said[at] is False and each.is_hit]
        if doubted:
            try:
                again = await self._ask([batch[at].compared.swapped() for at in doubted])
            except FAILURES as error:
                self._close(error)
                return said
            for at, verdict in zip(doubted, again, strict=True):
                said[at] = verdict
        told = zip(batch, said, strict=True)
        remembered = {each.compared.id: same for each, same in told if same or (same is False and each.is_hit)}
        try:
            await self._ledger.settle({"pairs": len(batch)}, remembered)
        except TROUBLE as error:  # its verdict counts nevertheless
            log.warning("judge.not_remembered", error=type(error).__name__)
        return said

    async def _ask(self, pairs: Sequence[Compared]) -> list[bool]:
        """One call. Raises one of FAILURES."""
        return (await self._calls.ask(INSTRUCTIONS, message(pairs), len(pairs), letters=LETTERS)).verdicts

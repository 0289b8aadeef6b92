"""The judge: a small model that is asked whether two answers say the same. In the background, several pairs a call.

It is bounded by a budget of money a day, over all workers. A model without a known price counts as if it cost a dollar
for a million tokens in and four for as many out. Where it fails, or the budget is used up, it is left alone for a
while: what takes a judge is not looked at then.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from askonce.answer import Answer
from askonce.contract.audit import pair_id
from askonce.contract.counters import tokens
from askonce.prices.load import Prices
from askonce.prices.money import from_nano
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce_worker.answering.ports import LLM, Completion, LLMError
from askonce_worker.audit.comparing import text_of_answer
from askonce_worker.audit.judging import INSTRUCTIONS, Compared, message, read_verdicts
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.ports import Pair, Told

log = structlog.get_logger()

PAIRS = 8
"""In a call."""
GATHERED = 0.2
"""Seconds for which pairs gather."""
MOST_WAITING = 500
TIMEOUT = 30.0
CLOSED = 30.0
"""Seconds, after a failure, or when the budget is used up."""
ASSUMED_IN, ASSUMED_OUT = 1_000, 4_000
"""Billionths a token of a model whose price is not known."""
TOKEN_BYTES = 3


@dataclass(frozen=True, slots=True)
class Waiting:
    id: str
    compared: Compared
    is_hit: bool
    told: Told


class JudgeFailed(Exception):
    """It gave no verdicts: the reason."""


class Judge:
    def __init__(
        self,
        llm: LLM,
        ledger: JudgeLedger,
        prices: Prices,
        *,
        model: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._llm = llm
        self._ledger = ledger
        self._prices = prices
        self._model = model
        self._clock = clock
        self._closed_until = 0.0
        self._waiting: deque[Waiting] = deque()
        self._came = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._clock() >= self._closed_until and len(self._waiting) < MOST_WAITING

    def put(self, pair: Pair, told: Told) -> None:
        compared = Compared(pair.question.prompt(), text_of_answer(pair.look.body), text_of_answer(pair.fresh))
        if not self.is_open or not compared.fits:
            told(None)
            return
        name = pair_id(pair.question.fingerprint, pair.look.entry)
        self._waiting.append(Waiting(name, compared, pair.look.found != "miss", told))
        self._came.set()

    async def run(self) -> None:
        """Judges what is put, until it is cancelled: then nobody is left without word."""
        try:
            while True:
                await self._came.wait()
                await asyncio.sleep(GATHERED)
                batch = [self._waiting.popleft() for _ in range(min(PAIRS, len(self._waiting)))]
                if not self._waiting:
                    self._came.clear()
                if batch:
                    await self._judge(batch)
        finally:
            while self._waiting:
                self._waiting.popleft().told(None)

    async def _judge(self, batch: Sequence[Waiting]) -> None:
        said: list[bool | None] = [None] * len(batch)
        try:
            known = await self._ledger.verdicts([each.id for each in batch])
            new = [at for at, verdict in enumerate(known) if verdict is None]
            said = known
            for at, verdict in zip(new, await self._verdicts([batch[at] for at in new]), strict=True):
                said[at] = verdict
        except (JudgeFailed, LLMError, TimeoutError, *TROUBLE) as error:
            self._closed_until = self._clock() + CLOSED
            log.warning("judge.closed", error=type(error).__name__, reason=str(error)[:200], seconds=CLOSED)
        finally:
            for each, verdict in zip(batch, said, strict=True):
                each.told(verdict)

    async def _verdicts(self, batch: Sequence[Waiting]) -> list[bool | None]:
        """A `different` about a hit counts once it was said twice, the second time with the answers exchanged: a false
        one costs more than any other mistake."""
        if not batch:
            return []
        said = await self._ask([each.compared for each in batch])
        doubted = [at for at, each in enumerate(batch) if said[at] is False and each.is_hit]
        if doubted:
            again = await self._ask([batch[at].compared.swapped() for at in doubted])
            for at, verdict in zip(doubted, again, strict=True):
                said[at] = verdict
        told = zip(batch, said, strict=True)
        remembered = {each.id: same for each, same in told if same or (same is False and each.is_hit)}
        await self._ledger.settle({"pairs": len(batch)}, remembered)
        return said

    async def _ask(self, pairs: Sequence[Compared]) -> list[bool | None]:
        """One call. Raises JudgeFailed, LLMError, one of TROUBLE."""
        params = {"temperature": 0, "max_tokens": 2 * len(pairs) + 2}
        question = Question(message(pairs), model=self._model, system=INSTRUCTIONS, params=params, cache="bypass")
        likely = from_nano(self._cost(len((question.text + INSTRUCTIONS).encode()) // TOKEN_BYTES, 2 * len(pairs)))
        if not await self._ledger.reserve(likely):
            raise JudgeFailed("its budget for today is used up")
        completion = None
        try:
            completion = await self._llm.complete(question, timeout=TIMEOUT)
        finally:
            await self._ledger.settle(self._figures(completion, likely), {})
        text = Answer(None, "answered", body=completion.body).text or ""
        verdicts = read_verdicts(text, len(pairs))
        if None in verdicts:
            log.warning("judge.unreadable", characters=len(text), pairs=len(pairs))
        return verdicts

    def _figures(self, completion: Completion | None, reserved: float) -> dict[str, float]:
        """Of a call that failed nothing is known: what was reserved counts as spent."""
        if completion is None:
            return {"calls": 1}
        tokens_in, tokens_out, _ = tokens(completion.body)
        cost = self._cost(tokens_in, tokens_out) if completion.cost is None else completion.cost
        return {"calls": 1, "tokens_in": tokens_in, "tokens_out": tokens_out, "cost": from_nano(cost) - reserved}

    def _cost(self, tokens_in: int, tokens_out: int) -> int:
        """Billionths."""
        usage = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
        known = self._prices.cost(self._model, usage)
        return ASSUMED_IN * tokens_in + ASSUMED_OUT * tokens_out if known is None else known

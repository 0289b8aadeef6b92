"""Calls of the judge's model: within the day's budget over all workers, and counted once.

A model without a known price counts as costing one dollar per million prompt tokens and four per million completion
tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from askonce.answer import Answer
from askonce.contract.counters import tokens
from askonce.prices.load import Prices
from askonce.prices.money import from_nano
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce_worker.answering.ports import LLM, Completion, LLMError
from askonce_worker.audit.judging import read_verdicts
from askonce_worker.auditing.judge_ledger import JudgeLedger

log = structlog.get_logger()

ASSUMED_IN, ASSUMED_OUT = 1_000, 4_000
"""Billionths per token of a model without a known price."""
TOKEN_BYTES = 3


class JudgeFailed(Exception):
    """It gave no verdicts: the reason."""


FAILURES = (JudgeFailed, LLMError, TimeoutError, *TROUBLE)


@dataclass(frozen=True, slots=True)
class Said:
    """verdicts: one a line, True for `yes`. cost: money, of the call."""

    verdicts: list[bool]
    cost: float


class JudgeCalls:
    """timeout: seconds of a call."""

    def __init__(self, llm: LLM, ledger: JudgeLedger, prices: Prices, *, model: str, timeout: float) -> None:
        self._llm = llm
        self._ledger = ledger
        self._prices = prices
        self._model = model
        self._timeout = timeout

    async def ask(self, instructions: str, lines: str, count: int, *, letters: str) -> Said:
        """Makes one call. letters: for yes, and for no. Raises one of FAILURES."""
        params = {"temperature": 0, "max_tokens": 2 * count + 2}
        question = Question(lines, model=self._model, system=instructions, params=params, cache="bypass")
        likely = from_nano(self.price(len((lines + instructions).encode()) // TOKEN_BYTES, 2 * count))
        day = await self._ledger.reserve(likely)
        if day is None:
            raise JudgeFailed("its budget for today is used up")
        completion, cost = None, likely
        try:
            completion = await self._llm.complete(question, timeout=self._timeout)
            cost = self._cost(completion)
        finally:  # nothing is known about a failed call, so what was reserved counts as spent
            await self._settle(_figures(completion), cost - likely, day)
        text = Answer(None, "answered", body=completion.body).text or ""
        verdicts = read_verdicts(text, count, letters)
        if verdicts is None:
            raise JudgeFailed(f"{len(text)} characters that are not verdicts on {count} pairs")
        return Said(verdicts, cost)

    async def _settle(self, figures: Mapping[str, float], change: float, day: int) -> None:
        """Settles the cost. If that fails, the verdicts are kept, and what was reserved counts as spent."""
        try:
            await self._ledger.settle({**figures, "cost": change}, {}, day=day)
        except TROUBLE as error:
            log.warning("judge.not_settled", error=type(error).__name__)

    def _cost(self, completion: Completion) -> float:
        tokens_in, tokens_out, _ = tokens(completion.body)
        return from_nano(self.price(tokens_in, tokens_out) if completion.cost is None else completion.cost)

    def price(self, tokens_in: int, tokens_out: int) -> int:
        """Billionths."""
        known = self._prices.cost(self._model, {"prompt_tokens": tokens_in, "completion_tokens": tokens_out})
        return ASSUMED_IN * tokens_in + ASSUMED_OUT * tokens_out if known is None else known


def _figures(completion: Completion | None) -> dict[str, float]:
    if completion is None:
        return {"calls": 1}
    tokens_in, tokens_out, _ = tokens(completion.body)
    return {"calls": 1, "tokens_in": tokens_in, "tokens_out": tokens_out}

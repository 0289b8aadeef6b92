"""What this worker paid for: LLM calls and tokens by namespace and model, until Redis has the figures.

Counts are sent in reports, each with the next answers and in the same script. Reports are numbered: one sent twice,
because the connection broke in between, counts once. Until it is acknowledged, further counts wait for the next.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.contract.counters import KINDS, TIERS, tokens
from askonce.prices.counts import tier_of_reply
from askonce.prices.load import NoPrices, Prices, cost_of_reply
from askonce.question import Question


@dataclass(frozen=True, slots=True)
class CountsReport:
    number: int
    counts: Mapping[str, int]


EMPTY = CountsReport(0, {})


class CallCounts:
    """prices: of the called provider; none if costs do not matter."""

    def __init__(self, prices: Prices | None = None) -> None:
        self._prices: Prices = prices or NoPrices()
        self._counts: Counter[str] = Counter()
        self._report = EMPTY
        self._number = 0

    def called(self, question: Question) -> None:
        """Counts a request to the provider, retries included: from now on it may cost money."""
        self._add("calls", question, 1)

    def failed(self, question: Question) -> None:
        self._add("call_errors", question, 1)

    def paid(self, question: Question, body: Mapping[str, Any], *, tier: str | None = None) -> int | None:
        """Counts the tokens reported by the provider, whether or not the completion is usable.

        tier: used if the reply names none. Returns the cost in billionths; None if unknown.
        """
        how = tier or tier_of_reply(body)
        tokens_in, tokens_out, cached = tokens(body)
        cost = cost_of_reply(self._prices, body, question.model or "", tier=how)
        for kind, count in zip(KINDS, (tokens_in, cached, tokens_out), strict=True):
            self._add(f"tokens_{kind}", question, count)
            if how in TIERS:
                self._add(f"tokens_{kind}:{how}", question, count)
            if cost is not None:
                self._add(f"priced_{kind}", question, count)
        self._add("cost", question, cost or 0)
        return cost

    def unmatched(self, question: Question, reason: str) -> None:
        """Counts a question asked without a similarity lookup."""
        self._add(f"unmatched:{reason}", question, 1)

    def waited(self, question: Question) -> None:
        """Counts a similarity lookup that waited for a slow server."""
        self._add("waited", question, 1)

    def _add(self, name: str, question: Question, by: int) -> None:
        if by:
            self._counts[f"{name}|{question.namespace}|{question.model}"] += by

    def report(self) -> CountsReport:
        """What Redis has not acknowledged; repeated unchanged until `taken`."""
        if not self._report.counts and self._counts:
            self._number += 1
            self._report, self._counts = CountsReport(self._number, self._counts), Counter()
        return self._report

    def taken(self, report: CountsReport) -> None:
        if self._report is report:
            self._report = EMPTY

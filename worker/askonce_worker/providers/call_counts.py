"""What this worker paid for: LLM calls and tokens by namespace and model, until Redis has taken the figures.

The counts go out in reports, each with the next answers and in the same script. A report has a number: one that is sent
twice, because the connection broke in between, counts once. Until it is acknowledged, further counts wait for the next.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.contract.counters import tokens
from askonce.question import Question


@dataclass(frozen=True, slots=True)
class CountsReport:
    number: int
    counts: Mapping[str, int]


EMPTY = CountsReport(0, {})


class CallCounts:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._report = EMPTY
        self._number = 0

    def called(self, question: Question) -> None:
        """A request to the provider begins, retries included: from now on it may cost something."""
        self._add("calls", question, 1)

    def failed(self, question: Question) -> None:
        self._add("call_errors", question, 1)

    def paid(self, question: Question, body: Mapping[str, Any]) -> None:
        """The provider's own count of tokens, whatever the completion is worth."""
        tokens_in, tokens_out, cached = tokens(body)
        self._add("tokens_in", question, tokens_in)
        self._add("tokens_out", question, tokens_out)
        self._add("tokens_cached", question, cached)

    def unmatched(self, question: Question, reason: str) -> None:
        """It was asked without a look for similar ones."""
        self._add(f"unmatched:{reason}", question, 1)

    def waited(self, question: Question) -> None:
        """The look for similar ones waited for a slow server."""
        self._add("waited", question, 1)

    def _add(self, name: str, question: Question, by: int) -> None:
        if by:
            self._counts[f"{name}|{question.namespace}|{question.model}"] += by

    def report(self) -> CountsReport:
        """What Redis has not acknowledged; the same again until `taken`."""
        if not self._report.counts and self._counts:
            self._number += 1
            self._report, self._counts = CountsReport(self._number, self._counts), Counter()
        return self._report

    def taken(self, report: CountsReport) -> None:
        if self._report is report:
            self._report = EMPTY

"""What this worker paid for: LLM calls and tokens by namespace and model, until Redis has taken the figures.

A tally goes out with the next answers, in the same script. It bears a number: one that is sent twice, because the
connection broke in between, counts once. Until it is acknowledged, what comes meanwhile waits for the next one.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from askonce.contract.counters import tokens
from askonce.question import Question


@dataclass(frozen=True, slots=True)
class Sheet:
    number: int
    counts: Mapping[str, int]


EMPTY = Sheet(0, {})


class Tally:
    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._sheet = EMPTY
        self._number = 0

    def called(self, question: Question) -> None:
        """A request to the provider begins, retries included: from here on it may cost something."""
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

    def _add(self, name: str, question: Question, by: int) -> None:
        if by:
            self._counts[f"{name}|{question.namespace}|{question.model}"] += by

    def sheet(self) -> Sheet:
        """What Redis has not acknowledged; the same again until `taken`."""
        if not self._sheet.counts and self._counts:
            self._number += 1
            self._sheet, self._counts = Sheet(self._number, self._counts), Counter()
        return self._sheet

    def taken(self, sheet: Sheet) -> None:
        if self._sheet is sheet:
            self._sheet = EMPTY

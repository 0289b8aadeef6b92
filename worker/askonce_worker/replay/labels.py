"""Judges matches by the log's answers: equal answers make a match right, plain ones that differ make it wrong.

As in a worker's checks, the cached answer decides whether a match can be judged: labels, numbers and JSON can,
sentences cannot.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from askonce.json_values import loads
from askonce.readable import completion_of
from askonce_worker.audit.comparing import compare, is_plain, text_of_answer

REMEMBERED = 5000
Bodies = Callable[[int], bytes | None]
"""The answer of a call, by its number in the log."""
SHOWN = 300
"""Characters of an answer shown with a pair."""


class Labels:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._known: OrderedDict[int, dict[str, Any] | None] = OrderedDict()

    def judge(self, number: int, source: int) -> bool | None:
        """Whether the answer to one call also serves the other, judged by both answers; None if they cannot show it."""
        fresh, cached = self._answer(number), self._answer(source)
        if fresh is None or cached is None or not is_plain(cached):
            return None
        return compare(fresh, cached)

    def text_of(self, number: int) -> str | None:
        """The beginning of an answer, for people."""
        body = self._answer(number)
        return None if body is None else text_of_answer(body)[:SHOWN]

    def _answer(self, number: int) -> dict[str, Any] | None:
        if number not in self._known:
            raw = self._bodies(number)
            try:
                self._known[number] = None if raw is None else completion_of(loads(raw))
            except ValueError:  # it has only its usage
                self._known[number] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[number]

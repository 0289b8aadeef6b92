"""Finds stored questions that have expired, which they do roughly in the order in which they were stored."""

from array import array
from collections.abc import Callable

TRIMMED = 100_000
Until = Callable[[int], float]
"""The time until which a question may serve."""


class Expiry:
    """A queue of 16 bytes per question. A question that was renewed meanwhile goes back to the end."""

    def __init__(self) -> None:
        self._ends = array("d")
        self._numbers = array("q")
        self._head = 0

    def add(self, number: int, end: float) -> None:
        self._ends.append(end)
        self._numbers.append(number)

    def gone(self, until: Until, now: float) -> list[int]:
        found = []
        while self._head < len(self._ends) and self._ends[self._head] <= now:
            number = self._numbers[self._head]
            self._head += 1
            end = until(number)
            if end > now:
                self.add(number, end)
            else:
                found.append(number)
        if self._head > TRIMMED:
            self._ends, self._numbers, self._head = self._ends[self._head :], self._numbers[self._head :], 0
        return found

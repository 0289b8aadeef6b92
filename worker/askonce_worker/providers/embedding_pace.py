"""How many texts may be under way at the embedding server. The time that its replies take sets the bound (AIMD). Pure.

More load then makes a queue in this worker, never a time-out: a server that works through 70 texts a second has about
half a second's worth of them, one that takes thousands at once gets thousands.
"""

from dataclasses import dataclass

FIRST = 16
MOST = 8192
QUICK = 0.5
"""Seconds. A reply within this time raises the bound: twice as many until the first slow one, then step by step."""
SLOW = 1.0
"""Seconds. A reply that takes longer halves the bound, or lowers it by as much as it took longer."""
STEP = 16


@dataclass(slots=True)
class Pace:
    """texts: the bound. Times are seconds of any one clock."""

    texts: int = FIRST
    _is_seeking: bool = True
    _lowered_at: float = float("-inf")

    def replied(self, *, began: float, now: float, more_waited: bool) -> None:
        """more_waited: the bound kept texts waiting when the request went out. Else its time says nothing of more."""
        took = now - began
        if took > SLOW:
            self._lower(max(2.0, took / SLOW), began, now)
        elif took < QUICK and more_waited:
            self.texts = min(MOST, self.texts * 2 if self._is_seeking else self.texts + STEP)

    def timed_out(self, *, began: float, now: float) -> None:
        self._lower(4.0, began, now)

    def _lower(self, divisor: float, began: float, now: float) -> None:
        """Once for all requests that ran beside one another."""
        if began >= self._lowered_at:
            self.texts = max(1, int(self.texts / divisor))
            self._lowered_at = now
            self._is_seeking = False

"""A registry of the worker's parts. Parts that fail repeatedly are exposed to probes, metrics and alerts.

A part is failing after several failures in a row over some time, until it succeeds. Redis being away is not a part's
failure: probes and metrics show it separately.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

IN_A_ROW = 3
SECONDS = 10.0


@dataclass(slots=True)
class _Streak:
    first: float
    failures: int = 0
    until: float = math.inf


class PartHealth:
    """clock: seconds of any steady clock.

    Attributes:
        failures: all failures of each part since the start.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures: Counter[str] = Counter()
        self._clock = clock
        self._streaks: dict[str, _Streak] = {}
        self._unfit: set[str] = set()

    def succeeded(self, part: str) -> None:
        self._streaks.pop(part, None)

    def failed(self, part: str, *, forget: float = math.inf) -> None:
        """forget: seconds after which this failure no longer counts, for a part that does not always run."""
        now = self._clock()
        self.failures[part] += 1
        streak = self._streaks.setdefault(part, _Streak(now))
        streak.failures += 1
        streak.until = now + forget

    def set_unfit(self, what: str, *, unfit: bool) -> None:
        """Marks a part as failing at once, for as long as the condition holds."""
        (self._unfit.add if unfit else self._unfit.discard)(what)

    @property
    def failing(self) -> list[str]:
        """The names of the failing parts, in order."""
        now = self._clock()
        streaks = [(part, each) for part, each in self._streaks.items() if now < each.until]
        again = {part for part, each in streaks if each.failures >= IN_A_ROW and now - each.first >= SECONDS}
        return sorted(again | self._unfit)

"""How many items may be under way at a server. The time that its replies take sets the bound (AIMD). Pure.

More load then makes a queue in this worker, never a time-out: a server that works through 70 items a second has about
half a second's worth of them, one that takes thousands at once gets thousands.

A server may also be far away: its replies take long, however little is under way. That is seen when the bound was
lowered and the next reply took about as long. So this time is not counted, and the bound is what it was.
"""

from dataclasses import dataclass, field

FAR = 0.5
"""A reply that takes by this share longer than one of a server that has little to do is slow, if that time is long."""


@dataclass(slots=True)
class Pace:
    """Times are seconds of any one clock.

    bound: items. quick: a reply within this time raises the bound: twice as many until the first slow one, then by
    `step`. slow: one that takes longer halves the bound, or lowers it by as much as it took longer.
    """

    bound: int = 16
    most: int = 8192
    step: int = 16
    quick: float = 0.5
    slow: float = 1.0
    _is_seeking: bool = True
    _lowered_at: float = float("-inf")
    _away: float = field(default=0.0)
    """Seconds of a reply that have nothing to do with how much is under way."""
    _before: tuple[int, float] | None = None
    """The bound, and the seconds of a reply, before it was lowered."""

    def replied(self, *, began: float, now: float, more_waited: bool) -> None:
        """more_waited: the bound kept items waiting when the request went out. Else its time says nothing of more."""
        took = now - began
        self._away = min(self._away, took)
        if self._before is not None and began >= self._lowered_at:
            self._compare(took, *self._before)
        over = took - self._away
        if over > max(self.slow, self._away * FAR):
            self._lower(max(2.0, over / self.slow), took, began, now)
        elif over < max(self.quick, self._away * FAR / 2) and more_waited:
            self._raise()

    def put_off(self, *, began: float, now: float) -> None:
        """It was too much at once."""
        self._lower(2.0, None, began, now)

    def timed_out(self, *, began: float, now: float) -> None:
        self._lower(4.0, None, began, now)

    def _raise(self) -> None:
        """At most twice as many: additional ones could be more than all before."""
        self.bound = min(self.most, self.bound + (self.bound if self._is_seeking else min(self.step, self.bound)))

    def _compare(self, took: float, bound: int, before: float) -> None:
        """Whether less under way has made the replies quicker."""
        self._before = None
        share = self.bound / bound
        if took > before * (1 + share) / 2:
            self._away, self.bound, self._is_seeking = took, bound, True

    def _lower(self, divisor: float, took: float | None, began: float, now: float) -> None:
        """Once for all requests that ran beside one another."""
        if began < self._lowered_at:
            return
        self._before = None if took is None or self.bound == 1 else (self.bound, took)
        if took is not None and self.bound == 1:
            self._away = took
        self.bound = max(1, int(self.bound / divisor))
        self._lowered_at = now
        self._is_seeking = False

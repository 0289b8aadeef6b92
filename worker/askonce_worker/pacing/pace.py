"""How many items may be under way at a server. The time that its replies take sets the bound (AIMD). Pure.

More load then makes a queue in this worker, never a time-out: a server that works through 70 items a second has about
half a second's worth of them, one that takes thousands at once gets thousands. Workers that share a server share this.

A server may also be far away: its replies take long, however little is under way. How far is measured by a greeting
(`far`), and not counted. Replies cannot tell it: what other workers have under way makes them late in the same way.
"""

from dataclasses import dataclass

FAR = 0.5
"""A reply that takes by this share longer than the way there is slow, if that time is long."""


@dataclass(slots=True)
class Pace:
    """Times are seconds of any one clock.

    bound: items. quick: a reply within this time raises the bound: twice as many until the first slow one, then by
    `step`. slow: one that takes longer halves the bound, or lowers it by as much as it took longer, but not below
    `least`: a server that takes long over anything would serve one item at a time. Only time-outs lower it further.
    """

    bound: int = 16
    most: int = 8192
    least: int = 16
    step: int = 16
    quick: float = 0.5
    slow: float = 1.0
    _is_seeking: bool = True
    _lowered_at: float = float("-inf")
    _way: float = 0.0
    """Seconds of a reply that have nothing to do with how much is under way."""
    _before: tuple[int, float] | None = None
    """The bound, and the seconds of the reply by which it was lowered."""

    def replied(self, *, began: float, now: float, more_waited: bool) -> None:
        """more_waited: the bound kept items waiting when the request went out. Else its time says nothing of more."""
        took = now - began
        self._way = min(self._way, took)
        over = took - self._way
        if over > self._slow:
            self._lower(max(2.0, over / self.slow), began, now, took, least=self.least)
        elif over < max(self.quick, self._way * FAR / 2) and more_waited:
            self._raise()

    def far(self, seconds: float) -> None:
        """A greeting took so long. If that explains the last slow reply, the bound is what it was before."""
        self._way = seconds
        if self._before is not None:
            bound, took = self._before
            self._before = None
            if took - seconds <= self._slow:
                self.bound, self._is_seeking = max(self.bound, bound), True

    def put_off(self, *, began: float, now: float) -> None:
        """It was too much at once."""
        self._lower(2.0, began, now)

    def timed_out(self, *, began: float, now: float) -> None:
        self._lower(4.0, began, now)

    @property
    def _slow(self) -> float:
        return max(self.slow, self._way * FAR)

    def _raise(self) -> None:
        """At most twice as many: additional ones could be more than all before."""
        self.bound = min(self.most, self.bound + (self.bound if self._is_seeking else min(self.step, self.bound)))

    def _lower(self, divisor: float, began: float, now: float, took: float | None = None, *, least: int = 1) -> None:
        """Once for all requests that ran beside one another."""
        if began < self._lowered_at:
            return
        self._before = None if took is None else (self.bound, took)
        self.bound = max(min(self.bound, least), int(self.bound / divisor))
        self._lowered_at = now
        self._is_seeking = False

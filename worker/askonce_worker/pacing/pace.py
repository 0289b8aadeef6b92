"""How many items may be in flight at a server. Its response times set the bound (AIMD). Pure.

More load then queues in this worker and never causes time-outs: a server that handles 70 items a second gets about half
a second's worth, and one that takes thousands at once gets thousands. This also holds for workers that share a server.

A server may also be far away: its replies take long, however little is in flight. A greeting measures that latency
(`far`), which is then subtracted. Replies cannot measure it, because other workers' requests delay them in the same
way.
"""

from dataclasses import dataclass

FAR = 0.5
"""For a distant server, a reply is slow if it takes longer than the latency by this share."""


@dataclass(slots=True)
class Pace:
    """Times are seconds of any one clock.

    bound: items. quick: a reply within this time raises the bound: it doubles until the first slow reply, then grows by
    `step`. slow: a longer reply halves the bound, or lowers it in proportion to the excess, but not below `least`;
    otherwise a server that is always slow would get one item at a time. Only time-outs lower it further.
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
    """Seconds of a reply that do not depend on how much is in flight."""
    _before: tuple[int, float] | None = None
    """The bound, and the duration in seconds of the reply that lowered it."""

    def replied(self, *, began: float, now: float, more_waited: bool) -> None:
        """more_waited: items were waiting because of the bound when the request was sent. Otherwise its time does not
        justify more."""
        took = now - began
        self._way = min(self._way, took)
        over = took - self._way
        if over > self._slow:
            self._lower(max(2.0, over / self.slow), began, now, took, least=self.least)
        elif over < max(self.quick, self._way * FAR / 2) and more_waited:
            self._raise()

    def far(self, seconds: float) -> None:
        """Records a greeting's latency. If it explains the last slow reply, the bound is restored."""
        self._way = seconds
        if self._before is not None:
            bound, took = self._before
            self._before = None
            if took - seconds <= self._slow:
                self.bound, self._is_seeking = max(self.bound, bound), True

    def put_off(self, *, began: float, now: float) -> None:
        """Lowers the bound: the server got too much at once."""
        self._lower(2.0, began, now)

    def timed_out(self, *, began: float, now: float) -> None:
        self._lower(4.0, began, now)

    @property
    def _slow(self) -> float:
        return max(self.slow, self._way * FAR)

    def _raise(self) -> None:
        """At most doubles the bound, because `step` may exceed it."""
        self.bound = min(self.most, self.bound + (self.bound if self._is_seeking else min(self.step, self.bound)))

    def _lower(self, divisor: float, began: float, now: float, took: float | None = None, *, least: int = 1) -> None:
        """Lowers the bound once for all concurrent requests."""
        if began < self._lowered_at:
            return
        self._before = None if took is None else (self.bound, took)
        self.bound = max(min(self.bound, least), int(self.bound / divisor))
        self._lowered_at = now
        self._is_seeking = False

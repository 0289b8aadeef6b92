"""This process's estimate of Redis's clock: no worker's own clock decides anything."""

import time


class RedisClock:
    """The time in the replies of Redis, carried on by the monotonic clock. The wall clock's until the first reply."""

    DRIFT = 0.0005
    """Maximum drift of two clocks, in seconds per second: older readings are less precise."""
    TICK = 0.002
    """Seconds, in which two readings of whole milliseconds may differ."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._doubt = float("inf")
        self._read_at = time.monotonic()

    def observe(self, now_ms: int, *, sent: float, received: float) -> None:
        """A reply's time, and when it was requested and received (monotonic seconds). The quickest reply is the most
        precise. If a reply contradicts it, the clock has changed: a replica has taken over, or the clock was set."""
        doubt = (received - sent) / 2
        offset = now_ms / 1000 - (sent + received) / 2
        worn = self._doubt + (received - self._read_at) * self.DRIFT
        if doubt <= worn or abs(offset - self._offset) > doubt + worn + self.TICK:
            self._offset = offset
            self._doubt = doubt
            self._read_at = received

    def now_ms(self) -> int:
        return int((time.monotonic() + self._offset) * 1000)

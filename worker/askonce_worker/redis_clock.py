"""Redis's clock as this process knows it: no worker's own clock decides anything."""

import time


class RedisClock:
    """The time in the replies of Redis, carried on by the monotonic clock. The wall clock's until the first reply."""

    DRIFT = 0.0005
    """How far two clocks may part, in seconds a second: an older reading is worth less."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self._doubt = float("inf")
        self._read_at = time.monotonic()

    def observe(self, now_ms: int, *, sent: float, received: float) -> None:
        """A reply's time, and when it was asked for and came (monotonic seconds). The quickest reply knows best."""
        doubt = (received - sent) / 2
        if doubt <= self._doubt + (received - self._read_at) * self.DRIFT:
            self._offset = now_ms / 1000 - (sent + received) / 2
            self._doubt = doubt
            self._read_at = received

    def now_ms(self) -> int:
        return int((time.monotonic() + self._offset) * 1000)

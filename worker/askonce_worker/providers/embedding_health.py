"""Whether the embedding server answers, and how long a text waits for it. Pure.

Slow is not down. While the server answers, a text of the bulk lane waits its turn. Only a server that has not answered
for as long as the lane's patience is done without; from then on, now and then a text tries it again.
"""

import math
from dataclasses import dataclass, field

LONGEST_PAUSE = 15.0
PROBE = 0.5
"""Seconds that a text waits for a server that is down, when it is time to try again."""
INTERACTIVE_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class Patience:
    """seconds: for which a text waits. renewed: vectors for any text restart the count."""

    seconds: float
    renewed: bool


@dataclass(slots=True)
class Health:
    """Times are seconds of any one clock. down_since: of a server that fails; None for one that answers.
    limited_since: it has refused for its rate limit ever since, and has made no vectors.

    failures: in a row. resumes_at: it is left alone until then.
    """

    down_since: float | None = None
    limited_since: float | None = None
    failures: int = 0
    resumes_at: float = -math.inf
    _last_reply: float = -math.inf
    _failed_at: float = field(default=-math.inf)

    def replied(self, now: float) -> None:
        self.down_since, self.limited_since, self.failures, self.resumes_at = None, None, 0, -math.inf
        self._last_reply = now

    def put_off(self, now: float, pause: float) -> None:
        """A rate limit: the server is asked again after the pause."""
        self.limited_since = now if self.limited_since is None else self.limited_since
        self.resumes_at = now + pause

    def failed(self, *, began: float, now: float, pause: float) -> None:
        """Requests that ran beside one another count as one failure."""
        if began < self._failed_at:
            return
        self.failures += 1
        self.down_since = began if self.down_since is None else self.down_since
        self._failed_at = now
        self.resumes_at = now + min(LONGEST_PAUSE, pause)

    def refused(self, now: float) -> None:
        """It will not answer until the settings change: it is not waited for any more."""
        self.failed(began=now, now=now, pause=LONGEST_PAUSE)
        self.down_since = -math.inf

    def is_given_up(self, now: float, patience: Patience) -> bool:
        """Without vectors for longer than the lane waits, and it is not time to try again."""
        since = self._silent_since(patience)
        return now < self.resumes_at and since is not None and since + patience.seconds <= now

    def gives_up_at(self, asked: float, patience: Patience) -> float:
        """When a text that was asked for at this time is done without."""
        began = max(asked, self._last_reply) if patience.renewed else asked
        limit = began + patience.seconds
        since = self._silent_since(patience)
        return limit if since is None else min(limit, max(asked + PROBE, since + patience.seconds))

    def _silent_since(self, patience: Patience) -> float | None:
        """A lane of little patience waits out a rate limit: it is short, mostly."""
        times = (self.down_since, self.limited_since if patience.renewed else None)
        return min((time for time in times if time is not None), default=None)

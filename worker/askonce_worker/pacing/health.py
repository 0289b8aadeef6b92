"""Whether a server answers, and how long an item waits for it. Pure.

Slow is not down. While the server answers, an item of the bulk lane waits its turn. Only a server that has not answered
for as long as the lane's patience is done without; from then on, now and then an item tries it again.
"""

import math
from dataclasses import dataclass, field

LONGEST_PAUSE = 15.0
PROBE = 0.5
"""Seconds that an item waits for a server that is down, when it is time to try again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """seconds: for which an item waits. renewed: an answer to any item restarts the count."""

    seconds: float
    renewed: bool


@dataclass(slots=True)
class Health:
    """Times are seconds of any one clock. down_since: of a server that fails; None for one that answers.
    limited_since: it has refused for its rate limit ever since, and has answered nothing.

    is_checked: while it cannot be reached, it is asked whether it is back: no item has to find out. unreachable: that
    is why it is down. refuses: it will answer nothing until settings change. failures: in a row. resumes_at: it is left
    alone until then. heard_at: of it, last.
    """

    is_checked: bool = False
    down_since: float | None = None
    limited_since: float | None = None
    unreachable: bool = False
    refuses: bool = False
    failures: int = 0
    resumes_at: float = -math.inf
    heard_at: float = -math.inf
    _failed_at: float = field(default=-math.inf)
    _unanswered_since: float | None = None
    _was_reached: bool = False

    def replied(self, now: float) -> None:
        """An answer."""
        self.down_since, self.limited_since, self.failures, self.resumes_at = None, None, 0, -math.inf
        self.unreachable = self.refuses = self._was_reached = False
        self._unanswered_since = None
        self.heard_at = now

    def reached(self, now: float) -> None:
        """A word of any kind. One that could not be reached is used at once. It gets all the time again, but only once
        without an answer: else one that speaks and never answers would be waited for without end."""
        if self.unreachable:
            self.down_since = self._unanswered_since if self._was_reached else None
            self.unreachable, self._was_reached = False, True
            self.failures, self.resumes_at = 0, -math.inf
        self.heard_at = now

    def spoke(self, now: float, pause: float) -> None:
        """A word that is no answer: it is left alone for a moment, and not taken for one that fails."""
        self.reached(now)
        self.resumes_at = now + pause

    def put_off(self, now: float, pause: float) -> None:
        """A rate limit: the server is asked again after the pause."""
        self.limited_since = now if self.limited_since is None else self.limited_since
        self.resumes_at = now + pause

    def failed(self, *, began: float, now: float, pause: float, unreachable: bool = False) -> None:
        """Requests that ran beside one another count as one failure."""
        if began < self._failed_at:
            return
        self.failures += 1
        self.unreachable, self.refuses = unreachable, False
        self._unanswered_since = began if self._unanswered_since is None else self._unanswered_since
        if self.down_since is None:
            self.down_since = self._unanswered_since if self._was_reached else began
        self._failed_at = now
        self.resumes_at = now + min(LONGEST_PAUSE, pause)

    def refused(self, now: float) -> None:
        """It will not answer until the settings change: it is not waited for any more."""
        self.failed(began=now, now=now, pause=LONGEST_PAUSE)
        self.down_since, self.refuses = -math.inf, True

    def is_given_up(self, now: float, patience: Patience) -> bool:
        """Without answers for longer than the lane waits, and it is not time to try again."""
        since = self._silent_since(patience)
        left_alone = now < self.resumes_at or (self.is_checked and self.unreachable)
        return left_alone and since is not None and since + patience.seconds <= now

    def gives_up_at(self, asked: float, patience: Patience) -> float:
        """When an item that was asked for at this time is done without."""
        began = max(asked, self.heard_at) if patience.renewed else asked
        limit = began + patience.seconds
        since = self._silent_since(patience)
        return limit if since is None else min(limit, max(asked + PROBE, since + patience.seconds))

    def _silent_since(self, patience: Patience) -> float | None:
        """A lane of little patience waits out a rate limit: it is short, mostly."""
        times = (self.down_since, self.limited_since if patience.renewed else None)
        return min((time for time in times if time is not None), default=None)

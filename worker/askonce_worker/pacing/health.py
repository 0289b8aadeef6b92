"""Whether a server responds, and how long an item waits for it. Pure.

Slow is not down. While the server answers, bulk items wait their turn. Only if it has not answered for the lane's
patience do items go without it; from then on, one tries it again now and then.
"""

import math
from dataclasses import dataclass, field

LONGEST_PAUSE = 15.0
PROBE = 0.5
"""Seconds that an item waits for a server that is down when a retry is due."""


@dataclass(frozen=True, slots=True)
class Patience:
    """seconds: how long an item waits. renewed: an answer to any item restarts the wait."""

    seconds: float
    renewed: bool


@dataclass(slots=True)
class Health:
    """Times are seconds of any one clock. down_since: when the server began to fail; None if it answers.
    limited_since: since when it has only sent rate-limit errors.

    is_checked: while it is unreachable, a probe checks whether it is back, so that no item has to. unreachable: why it
    is down. refuses: it will answer nothing until settings change. failures: in a row. resumes_at: no requests
    until then. heard_at: when it last sent anything.
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
        """The server sent something. If it was unreachable, it is used again at once. Its patience restarts, but only
        once without an answer; otherwise a server that responds but never answers would be waited for without end."""
        if self.unreachable:
            self.down_since = self._unanswered_since if self._was_reached else None
            self.unreachable, self._was_reached = False, True
            self.failures, self.resumes_at = 0, -math.inf
        self.heard_at = now

    def spoke(self, now: float, pause: float) -> None:
        """It responded without an answer: pause briefly, without counting a failure."""
        self.reached(now)
        self.resumes_at = now + pause

    def put_off(self, now: float, pause: float) -> None:
        """A rate limit: retry after the pause."""
        self.limited_since = now if self.limited_since is None else self.limited_since
        self.resumes_at = now + pause

    def failed(self, *, began: float, now: float, pause: float, unreachable: bool = False) -> None:
        """Concurrent requests count as one failure."""
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
        """It will not answer until the settings change, so nothing waits for it any longer."""
        self.failed(began=now, now=now, pause=LONGEST_PAUSE)
        self.down_since, self.refuses = -math.inf, True

    def is_given_up(self, now: float, patience: Patience) -> bool:
        """Whether it has not answered for longer than the lane waits, and no retry is due."""
        since = self._silent_since(patience)
        left_alone = now < self.resumes_at or (self.is_checked and self.unreachable)
        return left_alone and since is not None and since + patience.seconds <= now

    def gives_up_at(self, asked: float, patience: Patience) -> float:
        """When an item requested at this time goes without it."""
        began = max(asked, self.heard_at) if patience.renewed else asked
        limit = began + patience.seconds
        since = self._silent_since(patience)
        return limit if since is None else min(limit, max(asked + PROBE, since + patience.seconds))

    def _silent_since(self, patience: Patience) -> float | None:
        """An impatient lane waits out a rate limit, which is usually short."""
        times = (self.down_since, self.limited_since if patience.renewed else None)
        return min((time for time in times if time is not None), default=None)

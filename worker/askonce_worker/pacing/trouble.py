"""Why a batch got no answer, and why an item was given up."""

from enum import Enum


class Trouble(Enum):
    """AWAY: the server cannot be reached, or the connection broke. FAILING: it reports an error of its own. SLOW: no
    answer in time. BUSY: it asks to retry later. UNFIT: an item of the batch may be at fault. REFUSED: settings or
    permissions must change.
    """

    AWAY = "away"
    FAILING = "failing"
    SLOW = "slow"
    BUSY = "busy"
    UNFIT = "unfit"
    REFUSED = "refused"


class Undelivered(Exception):
    """A batch got no answer. pause: seconds after which the server asks to retry, if it does."""

    def __init__(self, trouble: Trouble, *, pause: float | None = None, status: int | str | None = None) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.pause = pause
        self.status = status


class GivenUp(Enum):
    """SLOW: the server answers, but not in time. AWAY: it cannot be reached, or fails. REFUSED: it will not answer."""

    SLOW = "slow"
    AWAY = "away"
    REFUSED = "refused"

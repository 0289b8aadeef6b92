"""Why a batch got no answer, and why an item is done without."""

from enum import Enum


class Trouble(Enum):
    """AWAY: the server cannot be reached, or the connection broke. FAILING: it says that something is wrong with it.
    SLOW: no answer in time. BUSY: it asks to come later. UNFIT: an item of the batch may be at fault. REFUSED: other
    settings are needed, or other rights.
    """

    AWAY = "away"
    FAILING = "failing"
    SLOW = "slow"
    BUSY = "busy"
    UNFIT = "unfit"
    REFUSED = "refused"


class Undelivered(Exception):
    """A batch got no answer. pause: seconds for which the server wants to be left alone, where it says so."""

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

"""For how long a server is waited for, and how much goes into one request."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds for which each lane waits for a server: the interactive one in all, bulk for one that says nothing."""

    interactive: float = 3.0
    bulk: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """items, size: of a batch, and of the sizes of its items. batches: at once. linger: seconds that an item waits for
    company, while a batch is under way."""

    items: int
    batches: int
    size: int = sys.maxsize
    linger: float = 0.0

"""How long to wait for a server, and how much goes into one request."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds for which each lane waits for a server: interactive in total, bulk while it is silent."""

    interactive: float = 3.0
    bulk: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """items, size: of a batch: number of items, and the sum of their sizes. batches: at once. linger: seconds that an
    item waits for others while a batch is in flight."""

    items: int
    batches: int
    size: int = sys.maxsize
    linger: float = 0.0

"""What waits for a server: the interactive lane, then what holds a turn at the LLM, then bulk, and a refill last."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from askonce_worker.pacing.trouble import GivenUp

Item = TypeVar("Item")
Found = TypeVar("Found")
INTERACTIVE, REFILL = "interactive", "refill"


@dataclass(slots=True, eq=False)
class Wanted(Generic[Item, Found]):
    """An item on its way, shared by all that want it. waiting: how many. sent: it is in a request."""

    item: Item
    size: int
    found: asyncio.Future[Found | GivenUp]
    waiting: int = 0
    sent: bool = False

    def settle(self, found: Found | GivenUp) -> None:
        if not self.found.done():
            self.found.set_result(found)


class WaitingItems(Generic[Item, Found]):
    """An item may stand in several lanes: it is taken from the first."""

    def __init__(self) -> None:
        self._interactive: deque[Wanted[Item, Found]] = deque()
        self._urgent: deque[Wanted[Item, Found]] = deque()
        self._bulk: deque[Wanted[Item, Found]] = deque()
        self._refill: deque[Wanted[Item, Found]] = deque()
        self._lanes = (self._interactive, self._urgent, self._bulk, self._refill)

    def __bool__(self) -> bool:
        return any(self._lanes)

    def add(self, wanted: Wanted[Item, Found], lane: str, *, urgent: bool = False) -> None:
        """urgent: something else is held up while it waits."""
        by_name = {INTERACTIVE: self._interactive, REFILL: self._refill}
        by_name.get(lane, self._urgent if urgent else self._bulk).append(wanted)

    def put_back(self, batch: list[Wanted[Item, Found]]) -> None:
        """Before all others, in the same order."""
        for wanted in reversed(batch):
            wanted.sent = False
            self._interactive.appendleft(wanted)

    def take(self, *, items: int, size: int) -> tuple[list[Wanted[Item, Found]], list[Wanted[Item, Found]]]:
        """Removes the first batch that keeps the limits, and the items before it that nothing waits for any more."""
        batch: list[Wanted[Item, Found]] = []
        dropped: list[Wanted[Item, Found]] = []
        used = 0
        for lane in self._lanes:
            while lane and len(batch) < items and used + lane[0].size <= size:
                wanted = lane.popleft()
                if wanted.sent or wanted.found.done():
                    continue
                if not wanted.waiting:
                    dropped.append(wanted)
                    continue
                wanted.sent = True
                batch.append(wanted)
                used += wanted.size
        return batch, dropped

    def clear(self) -> list[Wanted[Item, Found]]:
        """Removes and returns all of them."""
        left = [wanted for lane in self._lanes for wanted in lane]
        for lane in self._lanes:
            lane.clear()
        return left

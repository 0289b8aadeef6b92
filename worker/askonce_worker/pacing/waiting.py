"""Items waiting for a server: the interactive lane first, then items that hold an LLM turn, then bulk, and a refill
last."""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from askonce_worker.pacing.trouble import GivenUp

Item = TypeVar("Item")
Found = TypeVar("Found")
INTERACTIVE, URGENT, BULK, REFILL = LANES = ("interactive", "urgent", "bulk", "refill")
DOUBTED = 2
"""After this many failures that may be its own fault, an item is sent alone, so that it does not fail others.

Everything that waited for a server that was down is suspect. So the first item goes alone; once it is answered, two,
four and so on go together, until one of these batches fails.
"""


@dataclass(slots=True, eq=False)
class Wanted(Generic[Item, Found]):
    """An item shared by all that want it. waiting: how many. sent: it is in a request.

    lane: the first one it waits in. failures: of its requests that may be its own fault. failing_since: monotonic
    seconds.
    """

    item: Item
    size: int
    found: asyncio.Future[Found | GivenUp]
    waiting: int = 0
    sent: bool = False
    lane: str = ""
    failures: int = 0
    failing_since: float = 0.0

    @property
    def is_doubted(self) -> bool:
        return self.failures >= DOUBTED

    def settle(self, found: Found | GivenUp) -> None:
        if not self.found.done():
            self.found.set_result(found)


class WaitingItems(Generic[Item, Found]):
    """An item may be in several lanes, and is taken from the first."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Wanted[Item, Found]]] = {lane: deque() for lane in LANES}
        self._doubted = 1
        """How many suspect items go together."""

    def __bool__(self) -> bool:
        return any(self._lanes.values())

    def add(self, wanted: Wanted[Item, Found], lane: str, *, urgent: bool = False) -> None:
        """urgent: it holds up something else while it waits."""
        name = URGENT if urgent and lane == BULK else lane
        self._lanes[name].append(wanted)
        wanted.lane = min(wanted.lane or name, name, key=LANES.index)

    def put_back(self, batch: list[Wanted[Item, Found]], *, last: bool) -> None:
        """Puts each back into its lane, in order. last: at the end, because one may be at fault."""
        for wanted in batch if last else reversed(batch):
            wanted.sent = False
            lane = self._lanes[wanted.lane]
            if last:
                lane.append(wanted)
            else:
                lane.appendleft(wanted)

    def leave(self, wanted: Wanted[Item, Found]) -> None:
        """Removes an item that nothing waits for any more."""
        with contextlib.suppress(ValueError):
            self._lanes[wanted.lane].remove(wanted)

    def learn(self, *, answered: bool) -> None:
        """Records the outcome of a batch of suspect items."""
        self._doubted = self._doubted * 2 if answered else 1

    def take(self, *, items: int, size: int, refill: int) -> list[Wanted[Item, Found]]:
        """Removes the first batch within the limits. Its items are either all suspect or none.

        refill: maximum items of a refill. They share no batch with others, which they would delay.
        """
        batch: list[Wanted[Item, Found]] = []
        for name, lane in self._lanes.items():
            if name == REFILL:
                items = 0 if batch else min(items, refill)
            while len(batch) < items and (wanted := _first(lane, size)) is not None:
                if batch and wanted.is_doubted != batch[0].is_doubted:
                    return batch
                if wanted.is_doubted:
                    items = min(items, self._doubted)
                lane.popleft()
                wanted.sent = True
                batch.append(wanted)
                size -= wanted.size
        return batch

    def clear(self) -> list[Wanted[Item, Found]]:
        """Removes and returns all of them."""
        left = [wanted for lane in self._lanes.values() for wanted in lane]
        for lane in self._lanes.values():
            lane.clear()
        return left


def _first(lane: "deque[Wanted[Item, Found]]", size: int) -> Wanted[Item, Found] | None:
    """The next item to send, unless it is larger than `size`."""
    while lane and (lane[0].sent or lane[0].found.done() or not lane[0].waiting):
        lane.popleft()
    return lane[0] if lane and lane[0].size <= size else None

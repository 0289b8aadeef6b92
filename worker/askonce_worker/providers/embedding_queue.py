"""Texts that wait for their vectors, those of the interactive lane before all others."""

import asyncio
from collections import deque
from dataclasses import dataclass

from askonce_worker.answering.ports import Embedding

INTERACTIVE = "interactive"


@dataclass(slots=True, eq=False)
class Wanted:
    """A text on its way, shared by all that want it. waiting: how many. sent: it is in a request."""

    text: str
    tokens: int
    found: asyncio.Future[Embedding]
    waiting: int = 0
    sent: bool = False

    def settle(self, embedding: Embedding) -> None:
        if not self.found.done():
            self.found.set_result(embedding)


class EmbeddingQueue:
    """A text may stand in both lanes: it is taken from the first."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Wanted]] = {INTERACTIVE: deque(), "": deque()}

    def __bool__(self) -> bool:
        return any(self._lanes.values())

    def add(self, wanted: Wanted, lane: str) -> None:
        self._lanes[lane if lane == INTERACTIVE else ""].append(wanted)

    def put_back(self, batch: list[Wanted]) -> None:
        """Before all others, in the same order."""
        for wanted in reversed(batch):
            wanted.sent = False
            self._lanes[INTERACTIVE].appendleft(wanted)

    def take(self, *, inputs: int, tokens: int) -> tuple[list[Wanted], list[Wanted]]:
        """Removes the first batch that keeps the limits, and the texts before it that nothing waits for any more."""
        batch: list[Wanted] = []
        dropped: list[Wanted] = []
        used = 0
        for lane in self._lanes.values():
            while lane and len(batch) < inputs and used + lane[0].tokens <= tokens:
                wanted = lane.popleft()
                if wanted.sent or wanted.found.done():
                    continue
                if not wanted.waiting:
                    dropped.append(wanted)
                    continue
                wanted.sent = True
                batch.append(wanted)
                used += wanted.tokens
        return batch, dropped

    def clear(self) -> list[Wanted]:
        """Removes and returns all of them."""
        left = [wanted for lane in self._lanes.values() for wanted in lane]
        for lane in self._lanes.values():
            lane.clear()
        return left

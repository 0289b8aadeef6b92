"""The pairs that would have matched and are most likely wrong: rows for `evaluate` and for people."""

import heapq
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

MOST = 50


@dataclass(frozen=True, slots=True)
class Pair:
    """a: what was asked. b: the question whose answer it would have got. same: whether one answer serves both; None if
    the log's answers do not show it."""

    a: str
    b: str
    same: bool | None
    similarity: float
    namespace: str
    model: str
    template: str | None
    answer_a: str | None
    answer_b: str | None


class Risky:
    """Pairs whose answers differ come first, then those that could not be judged; the least similar of each lead."""

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[int, float], int, Pair]] = []
        self._known: set[tuple[str, str]] = set()
        self._turn = count()

    def takes(self, same: bool | None, similarity: float, texts: tuple[str, str]) -> bool:
        """Whether a pair would be kept."""
        if same or texts in self._known or texts[::-1] in self._known:
            return False
        return len(self._heap) < MOST or _risk(same, similarity) > self._heap[0][0]

    def add(self, pair: Pair) -> None:
        self._known.add((pair.a, pair.b))
        heapq.heappush(self._heap, (_risk(pair.same, pair.similarity), next(self._turn), pair))
        if len(self._heap) > MOST:
            gone = heapq.heappop(self._heap)[2]
            self._known.discard((gone.a, gone.b))

    def rows(self) -> list[dict[str, Any]]:
        """The riskiest first."""
        return [asdict(pair) for _, _, pair in sorted(self._heap, key=lambda each: each[:2], reverse=True)]


def _risk(same: bool | None, similarity: float) -> tuple[int, float]:
    return int(same is False), -similarity

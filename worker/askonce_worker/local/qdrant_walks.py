"""A search of a part: without the filter, and what is found is checked afterwards.

A filter that is kept on the way makes the walk of a graph longer, and blind: it does not pass through the points that
it leaves out. 100,000 points of 384 dimensions, a fifth of them expired, 1,635 searches for near-duplicates in batches
of 64 (CPU of one, and how many find the nearest point; the graph was made with `ef_construct` 128):

    | ef  | with the filter | without it      |
    | 96  | 233 µs, 96.6 %  | 119 µs, 99.0 %  |
    | 192 | 300 µs, 98.6 %  | 161 µs, 99.6 %  |
    | 256 | 439 µs, 99.4 %  | 203 µs, 99.8 %  |
    | 384 | 731 µs, 99.8 %  | 339 µs, 99.9 %  |

The check takes 4 µs. Where few points match, there is no walk: the engine looks at each of them. In a part without a
graph the engine looks at all points, and to see which of 4,111 match took as long as that (CPU of one, of 64 at once):

    | with the filter | 1.5 ms, 0.36 ms |
    | without it      | 1.0 ms, 0.37 ms |
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import hypot, sqrt
from operator import mul
from random import Random
from typing import Any, Protocol

import qdrant_edge as edge

from askonce_worker.local.qdrant_shape import EF, EF_QUICK, is_large

TURNS = 2
_DEVIATIONS = 4
"""Of its cosine to a turned query, by which a point may be less similar than most of its cosine to the query."""
_KNOWN = 10_000
"""Conditions of which it is kept in mind whether few points match them."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """The filter of searches, and the part of it that time does not change: without ranges. name: of that part."""

    filter: edge.Filter
    lasting: edge.Filter
    name: bytes


@dataclass(frozen=True, slots=True)
class Walk:
    """A search without its condition, for more points than are wanted.

    Where a walk through a large graph finds nothing it has ended among strangers: from its few candidates in the upper
    layers it went the wrong way. A query that is turned by 45 degrees to some side goes another, and ends at what is
    near to both: of 90 that walks through 400,000 had missed, one turn at `ef` 64 found 58 and two found 66, where a
    walk of the query itself found 61 at 1,024, and took four times as long as one.

    wanted, limit: points, of those that match and of all. params: by `ef`. common: to all requests.
    """

    numbers: Any
    threshold: float
    condition: Condition
    wanted: int
    limit: int
    params: Callable[[int], edge.SearchParams]
    common: dict[str, Any]
    _turned: dict[int, edge.QueryRequest] = field(default_factory=dict)
    """By the turn: all parts are asked the same, and to make it takes longer than a short walk."""

    def straight(self, ef: int) -> edge.QueryRequest:
        return edge.QueryRequest(
            query=edge.Query.Nearest(self.numbers),
            limit=self.limit,
            score_threshold=self.threshold,
            params=self.params(ef),
            **self.common,
        )

    def turned(self, turn: int) -> edge.QueryRequest:
        """Finds what is similar enough to the query, and more. What it has of a point is its id."""
        if turn not in self._turned:
            self._turned[turn] = self._turn(turn)
        return self._turned[turn]

    def _turn(self, turn: int) -> edge.QueryRequest:
        side = _side(len(self.numbers), turn)
        length = hypot(*self.numbers)
        along = sum(map(mul, self.numbers, side)) / length if length else 0.0
        spread = sqrt(max(0.0, 1 - self.threshold**2) / len(side))
        return edge.QueryRequest(
            query=edge.Query.Nearest([number + length * part for number, part in zip(self.numbers, side, strict=True)]),
            limit=self.limit,
            score_threshold=(self.threshold * (1 + along) - _DEVIATIONS * spread) / sqrt(2 + 2 * along),
            params=self.params(EF_QUICK),
            with_payload=False,
        )

    def among(self, ids: set[edge.PointId]) -> edge.QueryRequest:
        """The search itself, of these alone."""
        return edge.QueryRequest(
            query=edge.Query.Nearest(self.numbers),
            filter=edge.Filter(must=[edge.HasIdCondition(ids), self.condition.filter]),
            limit=self.wanted,
            score_threshold=self.threshold,
            params=self.params(EF_QUICK),
            **self.common,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """limit: of `asked`; it covers the offset. walk: None where the condition has to be kept on the way."""

    asked: edge.QueryRequest
    limit: int
    walk: Walk | None


class Part(Protocol):
    shard: edge.EdgeShard
    built: int
    few: dict[bytes, bool]
    """By the names of conditions. Kept here, cleared by whoever writes."""


def search(part: Part, searches: Sequence[Search], few: int) -> list[list[edge.ScoredPoint]]:
    """The best points of each search, at least as many as its limit where there are so many.

    few: as many points as the engine looks at one by one.
    """
    found = _walked(part, searches, few)
    others = [each for each in searches if each not in found]
    found |= zip(others, ask(part.shard, [each.asked for each in others]), strict=True)
    return [found[each] for each in searches]


def search_turned(part: Part, searches: Sequence[Search], few: int, turn: int) -> list[list[edge.ScoredPoint]]:
    """What turned walks find of searches that have found nothing anywhere. Small graphs have none."""
    walks = _walks(part, searches, few) if is_large(part.built) else {}
    all_near = ask(part.shard, [walk.turned(turn) for walk in walks.values()])
    near = {each: {point.id for point in points} for each, points in zip(walks, all_near, strict=True) if points}
    found = dict(zip(near, ask(part.shard, [walks[each].among(ids) for each, ids in near.items()]), strict=True))
    return [found.get(each, []) for each in searches]


def _walked(part: Part, searches: Sequence[Search], few: int) -> dict[Search, list[edge.ScoredPoint]]:
    """Of those searches that walk, and find enough or all that there is."""
    walks = _walks(part, searches, few)
    ef = EF_QUICK if is_large(part.built) else EF
    all_found = ask(part.shard, [walk.straight(ef) for walk in walks.values()])
    valid = _valid(part.shard, [*walks.values()], all_found)
    found = {}
    for (each, walk), points in zip(walks.items(), all_found, strict=True):
        left = [point for point in points if point.id in valid[walk.condition]]
        if len(left) >= each.limit or len(points) < walk.limit:
            found[each] = left
    return found


def _walks(part: Part, searches: Sequence[Search], few: int) -> dict[Search, Walk]:
    return {each: each.walk for each in searches if each.walk and not _is_of_few(part, each.walk.condition, few)}


@cache
def _side(size: int, turn: int) -> list[float]:
    """A direction by chance, of length 1."""
    random = Random(turn)
    numbers = [random.gauss(0, 1) for _ in range(size)]
    return [number / hypot(*numbers) for number in numbers]


def ask(shard: edge.EdgeShard, requests: list[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
    return shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []


def _is_of_few(part: Part, condition: Condition, few: int) -> bool:
    known = part.few.get(condition.name)
    if known is None:
        if len(part.few) >= _KNOWN:
            part.few.clear()
        estimate = part.shard.count(edge.CountRequest(exact=False, filter=condition.lasting))
        known = part.few[condition.name] = estimate <= few
    return known


def _valid(
    shard: edge.EdgeShard, walks: Sequence[Walk], found: Sequence[Sequence[edge.ScoredPoint]]
) -> dict[Condition, set[edge.PointId]]:
    """The points among these that match, by condition."""
    ids: dict[Condition, set[edge.PointId]] = {}
    for walk, points in zip(walks, found, strict=True):
        ids.setdefault(walk.condition, set()).update(point.id for point in points)
    return {condition: _matching(shard, condition, some) if some else set() for condition, some in ids.items()}


def _matching(shard: edge.EdgeShard, condition: Condition, ids: set[edge.PointId]) -> set[edge.PointId]:
    both = edge.Filter(must=[edge.HasIdCondition(ids), condition.filter])
    records, _ = shard.scroll(edge.ScrollRequest(limit=len(ids), filter=both, with_payload=False))
    return {record.id for record in records}

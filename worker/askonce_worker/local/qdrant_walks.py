"""Searches of a part without the filter; the results are checked afterwards.

Filtering during the walk through a graph makes it longer and less accurate: it does not pass through the points that
the filter excludes. 100,000 points of 384 dimensions, a fifth of them expired, 1,635 searches for near-duplicates in
batches of 64 (CPU per search, and the share that find the nearest point; the graph was built with `ef_construct` 128):

    | ef  | with the filter | without it      |
    | 96  | 233 µs, 96.6 %  | 119 µs, 99.0 %  |
    | 192 | 300 µs, 98.6 %  | 161 µs, 99.6 %  |
    | 256 | 439 µs, 99.4 %  | 203 µs, 99.8 %  |
    | 384 | 731 µs, 99.8 %  | 339 µs, 99.9 %  |

The check takes 4 µs. If few points match, there is no walk: the engine scans them. In a part without a graph the engine
scans all points, and seeing which of 4,111 match took as long as that (CPU of a single search, and of one in 64):

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

ROTATIONS = 2
_DEVIATIONS = 4
"""Standard deviations by which a point's cosine to a rotated query may be below the one expected."""
_KNOWN = 10_000
"""Conditions for which it is remembered whether few points match."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """A filter, and the part of it that does not depend on time: without ranges. name: identifies that part."""

    filter: edge.Filter
    lasting: edge.Filter
    name: bytes


@dataclass(frozen=True, slots=True)
class Walk:
    """A search without its condition, for more points than are wanted.

    A walk through a large graph that finds nothing went the wrong way from its few candidates in the upper layers. A
    query rotated by 45 degrees in a random direction takes another way, and ends near points that are close to both. Of
    90 points that walks through 400,000 had missed, one rotation at `ef` 64 found 58 and two found 66. The query itself
    at `ef` 1,024 found 61, and took four times as long as one rotation.

    wanted, limit: numbers of matching points, and of all points. params: by `ef`. common: arguments of all requests.
    """

    numbers: Any
    threshold: float
    condition: Condition
    wanted: int
    limit: int
    params: Callable[[int], edge.SearchParams]
    common: dict[str, Any]
    _rotated: dict[int, edge.QueryRequest] = field(default_factory=dict)
    """By rotation: all parts get the same request, and building it takes longer than a short walk."""

    def straight(self, ef: int) -> edge.QueryRequest:
        return edge.QueryRequest(
            query=edge.Query.Nearest(self.numbers),
            limit=self.limit,
            score_threshold=self.threshold,
            params=self.params(ef),
            **self.common,
        )

    def rotated(self, rotation: int) -> edge.QueryRequest:
        """Finds points that are similar enough to the query, and others. Returns only their ids."""
        if rotation not in self._rotated:
            self._rotated[rotation] = self._rotate(rotation)
        return self._rotated[rotation]

    def _rotate(self, rotation: int) -> edge.QueryRequest:
        side = _side(len(self.numbers), rotation)
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
        """The search itself, restricted to these points."""
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
    """limit: that of `asked`, which covers the offset. walk: None if the engine has to filter during the search."""

    asked: edge.QueryRequest
    limit: int
    walk: Walk | None


class Part(Protocol):
    shard: edge.EdgeShard
    built: int
    few: dict[bytes, bool]
    """By the name of a condition. Filled here; cleared by whoever writes to the part."""


def search(part: Part, searches: Sequence[Search], few: int) -> list[list[edge.ScoredPoint]]:
    """The best points of each search, at least as many as its limit if there are that many.

    few: the number of matching points up to which the engine scans them.
    """
    found = _walked(part, searches, few)
    others = [each for each in searches if each not in found]
    found |= zip(others, ask(part.shard, [each.asked for each in others]), strict=True)
    return [found[each] for each in searches]


def search_rotated(part: Part, searches: Sequence[Search], few: int, rotation: int) -> list[list[edge.ScoredPoint]]:
    """What rotated walks find for searches that found nothing anywhere. Small graphs are not searched again."""
    walks = _walks(part, searches, few) if is_large(part.built) else {}
    all_near = ask(part.shard, [walk.rotated(rotation) for walk in walks.values()])
    near = {each: {point.id for point in points} for each, points in zip(walks, all_near, strict=True) if points}
    found = dict(zip(near, ask(part.shard, [walks[each].among(ids) for each, ids in near.items()]), strict=True))
    return [found.get(each, []) for each in searches]


def _walked(part: Part, searches: Sequence[Search], few: int) -> dict[Search, list[edge.ScoredPoint]]:
    """The points of the searches that walk and find enough, or everything."""
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
def _side(size: int, rotation: int) -> list[float]:
    """A random unit vector."""
    random = Random(rotation)
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
    """For each condition, the found points that match it."""
    ids: dict[Condition, set[edge.PointId]] = {}
    for walk, points in zip(walks, found, strict=True):
        ids.setdefault(walk.condition, set()).update(point.id for point in points)
    return {condition: _matching(shard, condition, some) if some else set() for condition, some in ids.items()}


def _matching(shard: edge.EdgeShard, condition: Condition, ids: set[edge.PointId]) -> set[edge.PointId]:
    both = edge.Filter(must=[edge.HasIdCondition(ids), condition.filter])
    records, _ = shard.scroll(edge.ScrollRequest(limit=len(ids), filter=both, with_payload=False))
    return {record.id for record in records}

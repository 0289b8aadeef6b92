"""Finds the most similar questions of a scope with the embedded stack's search engine.

The newest vectors are searched exactly, the others by graphs that separate processes build meanwhile.
"""

from __future__ import annotations  # some of the engine's types exist for the type checker only

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import qdrant_edge as edge

from askonce_worker.answering.ports import Vector
from askonce_worker.local.qdrant_collection import Collection
from askonce_worker.local.qdrant_rebuild import Limits
from askonce_worker.local.qdrant_shape import EF_FILTERED, Shape
from askonce_worker.local.qdrant_upkeep import Upkeep
from askonce_worker.local.qdrant_walks import Condition, Search, Walk

OVERSAMPLING = 2.0
SPARE = 3
SCOPE = "scope"


@dataclass(frozen=True, slots=True)
class Near:
    """A question's number and its cosine."""

    number: int
    similarity: float


class Nearest:
    """Vectors by the numbers of their questions. most: maximum number of results per search."""

    def __init__(self, directory: Path, size: int, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._collection = Collection.create(directory, Shape(size, "Cosine"))
        index = edge.UpdateOperation.create_field_index(SCOPE, edge.KeywordIndexParams(is_tenant=True))
        self._collection.everywhere(index)
        self._upkeep = Upkeep(lambda: [self._collection], Limits(), clock)
        self._clock = clock
        self._due = 0.0
        self._most = most

    def search(self, scopes: Sequence[str], vectors: Sequence[Vector], least: float) -> list[list[Near]]:
        """For each vector the questions of its scope with at least that cosine, best first."""
        self._keep_up()
        searches = [_search(scope, vector, least, self._most) for scope, vector in zip(scopes, vectors, strict=True)]
        return [[Near(int(point.id), point.score) for point in found] for found in self._collection.search(searches)]

    def add(self, numbers: Sequence[int], scopes: Sequence[str], vectors: Sequence[Vector]) -> None:
        rows = zip(numbers, vectors, scopes, strict=True)
        self._collection.upsert([edge.Point(number, vector.tolist(), {SCOPE: scope}) for number, vector, scope in rows])

    def remove(self, numbers: Sequence[int]) -> None:
        self._collection.delete(list(numbers))

    def close(self) -> None:
        self._upkeep.close()
        self._collection.close()

    def _keep_up(self) -> None:
        if self._clock() >= self._due:
            self._due = self._clock() + self._upkeep.step()


@lru_cache(maxsize=10_000)
def _of_scope(scope: str) -> Condition:
    match = edge.Filter(must=[edge.FieldCondition(SCOPE, match=edge.MatchValue(scope))])
    return Condition(match, match, scope.encode())


def _search(scope: str, vector: Vector, least: float, most: int) -> Search:
    """The search that `to_searches` makes from such a request."""
    condition, wide = _of_scope(scope), most * SPARE + 1
    numbers = vector.tolist()
    asked = edge.QueryRequest(
        limit=most,
        filter=condition.filter,
        params=_params(EF_FILTERED),
        query=edge.Query.Nearest(numbers),
        score_threshold=least,
    )
    return Search(asked, most, Walk(numbers, least, condition, most, wide, _params, {}))


@lru_cache(maxsize=4)
def _params(ef: int) -> edge.SearchParams:
    quantization = edge.QuantizationSearchParams(oversampling=OVERSAMPLING, rescore=True)
    return edge.SearchParams(hnsw_ef=ef, exact=False, indexed_only=False, quantization=quantization)

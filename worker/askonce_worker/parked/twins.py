"""Finds similar parked questions by their vectors, which are stored in a separate Qdrant collection.

In the cache's collection, parked questions, which have no answers, would displace entries from the candidates.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Candidate, SemanticCacheDown, StoredVector, Vector, VectorQuery
from askonce_worker.parked.records import Parked

log = structlog.get_logger()

FILLED = "A" * 21
KEPT = 86_400
"""Seconds after its deadline until a vector that was not deleted in time expires."""


class ParkedVectors(Protocol):
    """The semantic cache's operations on the collections of parked questions."""

    async def search(self, queries: Sequence[VectorQuery]) -> list[list[Candidate] | Unmatched]: ...

    async def upsert(self, vectors: Sequence[StoredVector]) -> None: ...

    async def read(self, fingerprints: Sequence[str]) -> Mapping[str, Vector]: ...

    async def delete(self, fingerprints: Sequence[str]) -> None: ...


class Twins:
    """vectors: None if nothing is matched by similarity."""

    def __init__(self, vectors: ParkedVectors | None) -> None:
        self._vectors = vectors

    async def near(self, items: Sequence[OpenQuestion]) -> list[list[tuple[str, float]]] | None:
        """For each, the ids and similarities of similar parked questions. None if Qdrant does not answer."""
        wanted = [item for item in items if item.vector is not None]
        if self._vectors is None or not wanted:
            return [[] for _ in items]
        found = await self._vectors.search([_query(item) for item in wanted])
        near: dict[str, list[tuple[str, float]]] = {}
        for item, candidates in zip(wanted, found, strict=True):
            if isinstance(candidates, Unmatched):
                return None
            near[item.key] = [(each.fingerprint[: -len(FILLED)], each.similarity) for each in candidates]
        return [near.get(item.key, []) for item in items]

    async def store(self, items: Sequence[tuple[str, OpenQuestion]], now_ms: int) -> bool:
        """Store vectors by id. Returns whether they will be found."""
        vectors = [_stored(name, item, now_ms) for name, item in items if item.vector is not None]
        if self._vectors is None or not vectors:
            return True
        try:
            await self._vectors.upsert(vectors)
        except SemanticCacheDown as error:
            log.warning("parked.not_found_by_others", error=str(error), questions=len(vectors))
            return False
        return True

    async def vectors(self, parked: Sequence[Parked]) -> Mapping[str, Vector]:
        """The vectors that Qdrant has, by id, so that they need not be made again for the cache."""
        if self._vectors is None or not parked:
            return {}
        try:
            found = await self._vectors.read([_point(each.id) for each in parked])
        except SemanticCacheDown:
            return {}
        return {each.id: found[_point(each.id)] for each in parked if _point(each.id) in found}

    async def forget(self, parked: Sequence[Parked]) -> None:
        if self._vectors is None or not parked:
            return
        try:
            await self._vectors.delete([_point(each.id) for each in parked])
        except SemanticCacheDown as error:
            log.warning("parked.vectors_left", error=str(error), vectors=len(parked))


def _query(item: OpenQuestion) -> VectorQuery:
    assert item.vector is not None
    return VectorQuery(item.question.scope, item.vector, item.reuse.threshold, item.epochs)


def _point(name: str) -> str:
    """The id in the form of a fingerprint. Two waiting questions may share a fingerprint, but their ids differ."""
    return name + FILLED


def _stored(name: str, item: OpenQuestion, now_ms: int) -> StoredVector:
    assert item.vector is not None
    question = item.question
    return StoredVector(
        fingerprint=_point(name),
        vector=item.vector,
        scope=question.scope,
        epochs=item.epochs,
        model=question.model or "",
        namespace=question.namespace or "",
        created_at=now_ms // 1000,
        expires_at=item.deadline // 1000 + KEPT,
    )

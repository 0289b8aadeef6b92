"""What a scorer learns from: the newest records of a group, with the vectors of their questions."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from redis.asyncio import Redis

from askonce.contract.audit import Record, UnreadableAudit, decode_record
from askonce.contract.keys import Keys
from askonce_worker.answering.ports import Vector
from askonce_worker.audit.matches import Matches
from askonce_worker.audit.records import KEPT, Records
from askonce_worker.logs.unreadable import Refusals

PAGE = 1000
MOST_NUMBERS = 8_000_000
"""Maximum numbers in all vectors of a group, in memory during learning: 32 MB."""


class ReadsVectors(Protocol):
    async def vectors(self, fingerprints: Sequence[str]) -> dict[str, Vector]:
        """The vectors that are stored. Raises SemanticCacheDown."""
        ...


class StoredRecords:
    def __init__(self, redis: Redis, keys: Keys, vectors: ReadsVectors, refusals: Refusals) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._vectors = vectors
        self._refusals = refusals

    async def of(self, group: str) -> Records | None:
        """The oldest first. None if there are none. Raises SemanticCacheDown."""
        key, last, most = self._keys.audit.records(group), "+", KEPT
        rows: list[tuple[Record, Vector, Vector]] = []
        read = 0
        while read < most:
            page = await self._redis.xrevrange(key, max=last, count=min(PAGE, most - read))
            if not page:
                break
            rows += await self._with_vectors(page)
            read, last = read + len(page), f"({page[-1][0].decode()}"
            if rows:
                most = min(KEPT, MOST_NUMBERS // (2 * len(rows[0][1])))
        return _records(rows[::-1])

    async def _with_vectors(self, page: Sequence[Any]) -> list[tuple[Record, Vector, Vector]]:
        """The records whose two vectors are both stored and of the same size."""
        records = [found for _, fields in page if (found := self._read(fields.get(b"record", b""))) is not None]
        names = {name for record in records for name in (record.asked, record.entry)}
        known = await self._vectors.vectors(list(names)) if names else {}
        rows = [(each, known.get(each.asked), known.get(each.entry)) for each in records]
        return [(each, a, b) for each, a, b in rows if a is not None and b is not None and len(a) == len(b)]

    def _read(self, data: bytes) -> Record | None:
        try:
            return decode_record(data)
        except UnreadableAudit:
            self._refusals("record")
            return None


def _records(rows: Sequence[tuple[Record, Vector, Vector]]) -> Records | None:
    if not rows:
        return None
    rows = [row for row in rows if len(row[1]) == len(rows[-1][1])]
    found = [record for record, _, _ in rows]
    matches = Matches(
        np.array([each.similarity for each in found]),
        np.array([each.margin for each in found]),
        np.array([each.density for each in found]),
        np.stack([vector for _, vector, _ in rows]),
        np.stack([vector for _, _, vector in rows]),
    )
    version = np.array([each.version for each in found], np.intp)
    right = np.array([each.right for each in found], np.bool_)
    judged = right & np.array([each.by == "judge" for each in found], np.bool_)
    return Records(matches, version, right, np.array([each.weight for each in found]), judged)

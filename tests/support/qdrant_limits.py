"""What a Qdrant server looks at before it does anything: who asks, and whether strict mode allows it."""

from dataclasses import dataclass
from typing import Any

from qdrant_client import grpc as qdrant

from support.qdrant_refusals import NO_KEY, READ_ONLY, WRONG_KEY, Refusal, points_limit, strict_limit

OPEN = "/qdrant.Qdrant/HealthCheck"
"""Answers without a key: src/tonic/auth.rs."""
WRITES = {"Create", "Update", "Delete", "Upsert", "SetPayload", "CreateFieldIndex", "DeleteFieldIndex"}
"""The calls that a read-only key may not make, of those that the stand-in has."""


@dataclass
class ApiKeys:
    read_write: str
    read_only: str | None = None

    def refusal(self, path: str, metadata: dict[str, str]) -> Refusal | None:
        if path == OPEN:
            return None
        key = metadata.get("api-key") or metadata.get("authorization", "").removeprefix("Bearer ")
        if not key:
            return NO_KEY
        if key == self.read_only:
            return READ_ONLY if path.rpartition("/")[2] in WRITES else None
        return None if key == self.read_write else WRONG_KEY


@dataclass
class Limits:
    """None: no limit. In Qdrant's words: upsert_max_batchsize, search_max_batchsize, search_max_oversampling,
    max_points_count."""

    upsert_batch: int | None = None
    search_batch: int | None = None
    oversampling: float | None = None
    points: int | None = None

    async def refusal(self, method: str, request: bytes, behind: Any) -> Refusal | None:
        if self == Limits():
            return None
        if method == "Upsert":
            return await self._upsert(qdrant.UpsertPoints.FromString(request), behind)
        if method == "QueryBatch":
            return self._search(qdrant.QueryBatchPoints.FromString(request))
        return None

    async def _upsert(self, request: qdrant.UpsertPoints, behind: Any) -> Refusal | None:
        if self.upsert_batch is not None and len(request.points) > self.upsert_batch:
            return strict_limit("upsert limit", len(request.points), self.upsert_batch)
        if self.points is not None:
            count = qdrant.CountPoints(collection_name=request.collection_name, exact=True).SerializeToString()
            reply = qdrant.CountResponse.FromString(await behind.unary_unary("/qdrant.Points/Count")(count))
            if reply.result.count >= self.points:
                return points_limit(self.points)
        return None

    def _search(self, request: qdrant.QueryBatchPoints) -> Refusal | None:
        if self.search_batch is not None and len(request.query_points) > self.search_batch:
            return strict_limit("search batch size", len(request.query_points), self.search_batch)
        for query in request.query_points:
            asked = query.params.quantization.oversampling
            if self.oversampling is not None and asked > self.oversampling:
                return strict_limit("oversampling", asked, self.oversampling)
        return None

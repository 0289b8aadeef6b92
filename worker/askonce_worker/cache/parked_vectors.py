"""The vectors of parked questions, in collections separate from the cache's."""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from qdrant_client import grpc as qdrant

from askonce.contract.unmatched import Unmatched
from askonce_worker.answering.ports import Candidate, SemanticCacheDown, StoredVector, Vector, VectorQuery
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_errors import is_missing, translated
from askonce_worker.cache.semantic import QdrantSemanticCache

TIMEOUT = 30.0


class QdrantParkedVectors:
    """cache: over the same collections, by a prefix of their own. `prefix`: what these collections begin with."""

    def __init__(self, client: QdrantChannel, cache: QdrantSemanticCache, prefix: str) -> None:
        self._client = client
        self._cache = cache
        self._prefix = prefix

    async def search(self, queries: Sequence[VectorQuery]) -> list[list[Candidate] | Unmatched]:
        return await self._cache.search(queries)

    async def upsert(self, vectors: Sequence[StoredVector]) -> None:
        await self._cache.upsert(vectors)

    async def read(self, fingerprints: Sequence[str]) -> Mapping[str, Vector]:
        """The vectors that exist, by fingerprint. Raises SemanticCacheDown."""
        names = {str(messages.uuid_of(fingerprint)): fingerprint for fingerprint in fingerprints}
        found: dict[str, Vector] = {}
        for collection in await self._collections():
            request = qdrant.GetPoints(
                collection_name=collection,
                ids=[qdrant.PointId(uuid=name) for name in names],
                with_payload=qdrant.WithPayloadSelector(enable=False),
                with_vectors=qdrant.WithVectorsSelector(enable=True),
            )
            with translated():
                reply = await self._client.grpc_points.Get(request, timeout=TIMEOUT)
            for point in reply.result:
                vector = point.vectors.vector
                numbers = vector.dense.data if vector.HasField("dense") else vector.data
                found[names[point.id.uuid]] = np.array(numbers, np.float32)
        return found

    async def delete(self, fingerprints: Sequence[str]) -> None:
        """Deletes these and all expired ones. Raises SemanticCacheDown."""
        these = qdrant.HasIdCondition(has_id=[messages.point_id(fingerprint) for fingerprint in fingerprints])
        expired = messages.in_range("expires_at", lt=time.time())
        either = qdrant.Filter(should=[qdrant.Condition(has_id=these), expired])
        for collection in await self._collections():
            points = qdrant.PointsSelector(filter=either)
            request = qdrant.DeletePoints(collection_name=collection, wait=True, points=points)
            try:
                with translated():
                    await self._client.grpc_points.Delete(request, timeout=TIMEOUT)
            except SemanticCacheDown as error:
                if not is_missing(error):
                    raise

    async def _collections(self) -> list[str]:
        with translated():
            reply = await self._client.grpc_collections.List(qdrant.ListCollectionsRequest(), timeout=TIMEOUT)
        names = (collection.name for collection in reply.collections)
        return [name for name in names if messages.is_of_model(name, self._prefix, None)]

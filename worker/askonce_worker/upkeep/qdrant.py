"""Upkeep of the vectors in Qdrant: find, compare, delete. For searching and storing, see `cache/semantic.py`."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
from qdrant_client import grpc as qdrant

from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel


@dataclass(frozen=True, slots=True)
class Page:
    """Fingerprints of some points. following: start of the next page, None after the last one."""

    fingerprints: list[str]
    following: str | None


class QdrantUpkeep:
    """model_prefix: name prefix of the current embedding model's collections.

    All methods raise SemanticCacheDown. A missing collection counts as empty.
    """

    def __init__(
        self,
        client: QdrantChannel,
        *,
        prefix: str,
        embedding_model: str,
        dimensions: int | None = None,
        timeout: float = 10.0,
    ) -> None:
        """dimensions: None for any, as the model makes them. timeout: seconds for each call."""
        self.model_prefix = messages.collection_prefix(prefix, embedding_model)
        self._client = client
        self._dimensions = dimensions
        self._timeout = timeout

    def is_of_model(self, collection: str) -> bool:
        return messages.is_of_model(collection, self.model_prefix, self._dimensions)

    async def collections(self) -> list[str]:
        """All collections in this Qdrant, including those of other installations."""
        with _translated():
            reply = await self._client.grpc_collections.List(qdrant.ListCollectionsRequest(), timeout=self._timeout)
        return [collection.name for collection in reply.collections]

    async def delete(self, collection: str, fingerprints: Sequence[str], *, before: int) -> None:
        """Deletes those created before this Unix second. Points stored again meanwhile stay."""
        if not fingerprints:
            return
        ids = qdrant.HasIdCondition(has_id=[messages.point_id(fingerprint) for fingerprint in fingerprints])
        older = qdrant.Filter(must=[qdrant.Condition(has_id=ids), messages.in_range("created_at", lt=before)])
        request = qdrant.DeletePoints(collection_name=collection, wait=True, points=qdrant.PointsSelector(filter=older))
        with _translated(missing_is_empty=True):
            await self._client.grpc_points.Delete(request, timeout=self._timeout)

    async def absent(self, collection: str, expiries: Mapping[str, int]) -> list[str]:
        """The fingerprints without a vector, or whose vector expires before its entry (Unix seconds)."""
        names = {messages.point_id(fingerprint).uuid: fingerprint for fingerprint in expiries}
        request = qdrant.GetPoints(
            collection_name=collection,
            ids=[qdrant.PointId(uuid=name) for name in names],
            with_payload=qdrant.WithPayloadSelector(include=qdrant.PayloadIncludeSelector(fields=["expires_at"])),
        )
        with _translated(missing_is_empty=True):
            reply = await self._client.grpc_points.Get(request, timeout=self._timeout)
            for point in reply.result:
                name = str(uuid.UUID(point.id.uuid))
                if name in names and point.payload["expires_at"].integer_value >= expiries[names[name]]:
                    del names[name]
        return list(names.values())

    async def page(self, collection: str, start: str | None, size: int) -> Page:
        wanted = qdrant.PayloadIncludeSelector(fields=["fingerprint"])
        request = qdrant.ScrollPoints(
            collection_name=collection,
            limit=size,
            with_payload=qdrant.WithPayloadSelector(include=wanted),
            offset=None if start is None else qdrant.PointId(uuid=start),
        )
        with _translated(missing_is_empty=True):
            reply = await self._client.grpc_points.Scroll(request, timeout=self._timeout)
            found = [point.payload["fingerprint"].string_value for point in reply.result]
            return Page(found, reply.next_page_offset.uuid if reply.HasField("next_page_offset") else None)
        return Page([], None)

    async def drop(self, collection: str) -> None:
        with _translated(missing_is_empty=True):
            request = qdrant.DeleteCollection(collection_name=collection)
            await self._client.grpc_collections.Delete(request, timeout=self._timeout)


@contextmanager
def _translated(*, missing_is_empty: bool = False) -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        if not (missing_is_empty and error.code() == grpc.StatusCode.NOT_FOUND):
            raise SemanticCacheDown(f"{error.code().name}: {error.details()}") from error
    except grpc.aio.UsageError as error:
        raise SemanticCacheDown(str(error)) from error

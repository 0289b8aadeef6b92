"""Makes a collection in Qdrant ready: creates what is missing, and changes nothing that an operator has set.

One attempt at a time serves all who wait for the same collection. A failure is remembered for a second, so that a slow
server is not asked again by each of them.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import grpc
import structlog
from qdrant_client import grpc as qdrant

from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_address import advice, too_old
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_errors import is_missing, translated
from askonce_worker.cache.qdrant_quantization import Quantization, doubt, kind_of

log = structlog.get_logger()

PREPARING = 60.0
"""Seconds for a whole attempt: in a cluster each change is agreed on by all peers."""
REMEMBERED = 1.0


class QdrantCollections:
    """The collections of one embedding model. clock: monotonic seconds. quantization: of those that it creates."""

    def __init__(
        self,
        client: QdrantChannel,
        prefix: str,
        clock: Callable[[], float],
        quantization: Quantization = "none",
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._quantization = quantization
        self._ready: set[str] = set()
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[str, tuple[float, SemanticCacheDown]] = {}

    @property
    def used(self) -> list[str]:
        """The collections that this worker has used, and are ready."""
        return sorted(self._ready)

    async def ready(self, dimension: int, patience: float) -> str:
        """The collection's name, once it and its indexes exist.

        Args:
            dimension: Of its vectors.
            patience: Seconds to wait. The attempt goes on for those who come later.

        Raises:
            SemanticCacheDown: It is not ready in time, or the attempt has failed.
        """
        name = f"{self._prefix}{dimension}"
        if name in self._ready:
            return name
        since, failure = self._failed.get(name, (-REMEMBERED, None))
        if failure is not None and self._clock() - since < REMEMBERED:
            raise SemanticCacheDown(str(failure)) from failure
        attempt = self._attempts.get(name) or self._start(name, dimension)
        done, _ = await asyncio.wait({attempt}, timeout=patience)
        if not done:
            raise SemanticCacheDown(f"the collection is not ready after {patience:g} s")
        attempt.result()
        return name

    @contextlib.contextmanager
    def noticing_loss(self, name: str) -> Iterator[None]:
        """Wraps a call to this collection: if Qdrant has lost the collection, it is created again on next use."""
        try:
            yield
        except SemanticCacheDown as error:
            if is_missing(error):
                self._ready.discard(name)
            raise

    async def aclose(self) -> None:
        for attempt in list(self._attempts.values()):
            attempt.cancel()
            with contextlib.suppress(asyncio.CancelledError, SemanticCacheDown):
                await attempt

    def _start(self, name: str, dimension: int) -> asyncio.Task[None]:
        attempt = asyncio.create_task(self._attempt(name, dimension))
        self._attempts[name] = attempt
        attempt.add_done_callback(lambda task: self._ended(name, task))
        return attempt

    def _ended(self, name: str, attempt: asyncio.Task[None]) -> None:
        del self._attempts[name]
        if attempt.cancelled():
            return
        failure = attempt.exception()
        if isinstance(failure, SemanticCacheDown):
            self._failed[name] = (self._clock(), failure)
        else:
            self._failed.pop(name, None)

    async def _attempt(self, name: str, dimension: int) -> None:
        try:
            async with asyncio.timeout(PREPARING):
                with translated():
                    await self._check_version()
                    await self._prepare(name, dimension)
        except TimeoutError as error:
            raise SemanticCacheDown(f"the collection is not ready after {PREPARING:g} s") from error
        self._ready.add(name)

    async def _check_version(self) -> None:
        version = (await self._client.greeting()).version
        refusal = too_old(version)
        if refusal is not None:
            raise SemanticCacheDown(refusal)
        if (less := advice(version)) is not None:
            log.warning("semantic.old_server", reason=less)

    async def _prepare(self, name: str, dimension: int) -> None:
        info = await self._info(name)
        if info is None:
            await self._create(name, dimension)
            info = await self._info(name)
        elif self._quantization != "none" and kind_of(info) != self._quantization:
            log.warning("semantic.other_quantization", collection=name, has=kind_of(info), wanted=self._quantization)
        if info is not None and info.config.hnsw_config.m == 0:
            update = messages.with_graph(name)
            await self._client.grpc_collections.Update(update, timeout=PREPARING)
        present = set(info.payload_schema) if info is not None else set()
        for index in messages.indexes_of(name):
            if index.field_name not in present:
                await self._client.grpc_points.CreateFieldIndex(index, timeout=PREPARING)

    async def _info(self, name: str) -> qdrant.CollectionInfo | None:
        request = qdrant.GetCollectionInfoRequest(collection_name=name)
        try:
            reply = await self._client.grpc_collections.Get(request, timeout=PREPARING)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return None
            raise
        info: qdrant.CollectionInfo = reply.result
        return info

    async def _create(self, name: str, dimension: int) -> None:
        if (against := doubt(self._quantization, dimension)) is not None:
            log.warning("semantic.quantization_loses", collection=name, reason=against)
        request = messages.collection_of(name, dimension, self._quantization)
        try:
            await self._client.grpc_collections.Create(request, timeout=PREPARING)
        except grpc.RpcError:
            if await self._info(name) is None:  # else another worker was first
                raise

"""What `askonce-worker check` reports about the collections in Qdrant: configuration, state and write permission."""

import uuid
from collections.abc import Iterator, Sequence

import grpc
from qdrant_client import grpc as qdrant

from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_messages import collection_prefix, is_of_model
from askonce_worker.cache.qdrant_quantization import doubt, kind_of
from askonce_worker.check.finding import Finding
from askonce_worker.check.one_part import answer
from askonce_worker.check.strict_mode import rates, refused
from askonce_worker.settings import Settings

READ_ONLY = "this API key is read-only: set ASKONCE_QDRANT_API_KEY to a read-write key"
NO_CREATION = (
    "this API key cannot create collections: use one that can, or create the collection as described in deploy/README"
)
STATUS = {
    qdrant.CollectionStatus.Yellow: "yellow: being optimised; searches are slower meanwhile",
    qdrant.CollectionStatus.Grey: "grey: optimisations are pending since a restart; any update starts them",
    qdrant.CollectionStatus.Red: "red: part of it has failed; Qdrant's log says why",
}
ONE_COPY = (
    "{shards} shards with one copy each, the cluster's default: losing a node loses its vectors; "
    "deploy/README creates the collection with two copies"
)
REQUANTIZE = (
    "ASKONCE_VECTOR_QUANTIZATION is {wanted}, which applies only to new collections: deploy/README has the request "
    "that changes this one"
)


async def collections(settings: Settings) -> list[Finding]:
    """One finding per collection of the embedding model. Never raises."""
    assert settings.qdrant_url is not None
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    client = QdrantChannel(settings.qdrant_url.get_secret_value(), api_key=key)
    try:
        names = await _names(client, settings)
        return [await _finding(client, settings, name) for name in names]
    except grpc.RpcError:
        return []  # the finding about Qdrant says why
    finally:
        await client.close()


async def refuses_writes(client: QdrantChannel, settings: Settings, names: Sequence[str]) -> str | None:
    """Why the worker's key is insufficient; None if it is not. Tested by deleting something that does not exist."""
    ours = [name for name in names if _is_ours(settings, name)]
    try:
        for name in ours[:1]:
            nothing = qdrant.PointsIdsList(ids=[qdrant.PointId(uuid=str(uuid.UUID(int=0)))])
            selector = qdrant.PointsSelector(points=nothing)
            await client.grpc_points.Delete(qdrant.DeletePoints(collection_name=name, points=selector))
        if not ours:
            request = qdrant.DeleteCollection(collection_name=f"{settings.key_prefix}-{uuid.uuid4()}")
            await client.grpc_collections.Delete(request)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.PERMISSION_DENIED:
            raise
        return READ_ONLY if ours or "Global manage" in str(error.details()) else NO_CREATION
    return None


def remarks(info: qdrant.CollectionInfo, settings: Settings) -> Iterator[tuple[bool, str]]:
    """What is wrong, and for each remark whether it affects the cache already."""
    params = info.config.params
    size = params.vectors_config.params.size
    if info.status in STATUS:
        yield info.status == qdrant.CollectionStatus.Red, STATUS[info.status]
    for limit in refused(info, searches=settings.chunk_size):
        yield True, f"strict mode refuses the worker's requests: {limit}"
    for rate in rates(info):
        yield False, f"strict mode: {rate}; each question is a search, each new answer an upsert"
    wanted = settings.vector_quantization
    if "vector_quantization" in settings.model_fields_set and kind_of(info) != wanted:
        yield False, REQUANTIZE.format(wanted=wanted)
    if kind_of(info) == "binary" and (against := doubt("binary", size)) is not None:
        yield False, against
    if params.shard_number > 1 and params.replication_factor <= 1:
        yield False, ONE_COPY.format(shards=params.shard_number)


async def _names(client: QdrantChannel, settings: Settings) -> list[str]:
    reply = await client.grpc_collections.List(qdrant.ListCollectionsRequest())
    return sorted(each.name for each in reply.collections if _is_ours(settings, each.name))


def _is_ours(settings: Settings, name: str) -> bool:
    prefix = collection_prefix(settings.key_prefix, settings.embedding_model)
    return is_of_model(name, prefix, settings.embedding_dimensions)


async def _finding(client: QdrantChannel, settings: Settings, name: str) -> Finding:
    async def ask() -> Finding:
        reply = await client.grpc_collections.Get(qdrant.GetCollectionInfoRequest(collection_name=name))
        info: qdrant.CollectionInfo = reply.result
        found = list(remarks(info, settings))
        params = info.config.params
        shards = f"{params.shard_number} shards" if params.shard_number > 1 else "1 shard"
        state = (
            f"{qdrant.CollectionStatus.Name(info.status).lower()}, {info.points_count:,} vectors, {shards}, "
            f"quantisation {kind_of(info)}"
        )
        ok = not any(serious for serious, _ in found)
        return Finding("collection", name, state, ok=ok, advice="; ".join(text for _, text in found))

    return await answer("collection", name, ask, "Qdrant does not describe it")

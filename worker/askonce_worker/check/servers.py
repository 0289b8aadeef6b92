"""What `askonce-worker check` reports about Redis and Qdrant."""

import dataclasses

from qdrant_client.grpc import ListCollectionsRequest

from askonce_worker.cache import qdrant_address
from askonce_worker.cache.qdrant_channel import GREETING, QdrantChannel
from askonce_worker.check import qdrant_collection
from askonce_worker.check.advice import CERTIFICATE
from askonce_worker.check.finding import Finding
from askonce_worker.check.one_part import answer, redacted
from askonce_worker.check.preflight import NO_INFO, objection
from askonce_worker.redis.connection import connect_redis
from askonce_worker.redis.facts import facts
from askonce_worker.settings import Settings


async def redis(settings: Settings) -> Finding:
    url = settings.redis_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        connection = connect_redis(url, reconnects=0)
        try:
            info = await facts(connection)
        finally:
            await connection.aclose()
        if not info:
            return Finding("redis", shown, "answers", ok=True, advice=NO_INFO)
        server = (
            f"{'Valkey' if 'valkey_version' in info else 'Redis'} {info.get('valkey_version', info['redis_version'])}"
        )
        wrong = objection(info)
        return Finding("redis", shown, server, ok=wrong is None, advice=wrong or "")

    return await answer("redis", shown, ask, "is it running? ASKONCE_REDIS_URL")


async def qdrant(settings: Settings) -> Finding:
    if settings.qdrant_url is None:
        return Finding("qdrant", "not set", "no semantic cache", ok=True, advice="ASKONCE_QDRANT_URL turns it on")
    url = settings.qdrant_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        client = QdrantChannel(url, api_key=key)
        try:
            info = await client.greeting()
            reply = await client.grpc_collections.List(ListCollectionsRequest(), timeout=GREETING)
            names = [item.name for item in reply.collections]
            reads_only = await qdrant_collection.refuses_writes(client, settings, names)
        finally:
            await client.close()
        refused = qdrant_address.too_old(info.version) or reads_only
        state = f"{info.title} {info.version}, {len(names)} collections"
        less = refused or qdrant_address.advice(info.version) or ""
        return Finding("qdrant", shown, state, ok=refused is None, advice=less)

    found = await answer("qdrant", shown, ask, DOWN)
    if not found.ok and found.advice in (DOWN, CERTIFICATE) and (fault := await qdrant_address.address_fault(url)):
        return dataclasses.replace(found, advice=f"{fault} (ASKONCE_QDRANT_URL)")
    return found


DOWN = (
    "is it running? ASKONCE_QDRANT_URL, ASKONCE_QDRANT_API_KEY; it is waited for: ASKONCE_SEMANTIC_WAIT in bulk, "
    "ASKONCE_SEMANTIC_WAIT_INTERACTIVE by `ask`"
)

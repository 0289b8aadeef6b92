"""`askonce-worker check`: what is configured, what answers, and in which version."""

import asyncio

from askonce_worker.cache.semantic import connect_qdrant
from askonce_worker.check import cache_state, providers
from askonce_worker.check.finding import Finding
from askonce_worker.check.one_part import answer, redacted
from askonce_worker.check.preflight import NO_INFO, objection
from askonce_worker.matching.profiles import profile_of
from askonce_worker.redis.connection import connect_redis
from askonce_worker.redis.facts import facts
from askonce_worker.settings import Settings, unknown_settings


async def findings(settings: Settings) -> list[Finding]:
    """One finding for each part. Never raises."""
    parts = await asyncio.gather(
        _redis(settings), _qdrant(settings), providers.embeddings(settings), providers.llm(settings)
    )
    found = [*parts, await _service(settings), _similarity(settings), cache_state.lifetimes(settings)]
    if settings.qdrant_url is not None:
        found.append(await _vectors(settings))
    return [*found, *_unknown()]


async def _redis(settings: Settings) -> Finding:
    url = settings.redis_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        redis = connect_redis(url, reconnects=0)
        try:
            info = await facts(redis)
        finally:
            await redis.aclose()
        if not info:
            return Finding("redis", shown, "answers", ok=True, advice=NO_INFO)
        server = (
            f"{'Valkey' if 'valkey_version' in info else 'Redis'} {info.get('valkey_version', info['redis_version'])}"
        )
        wrong = objection(info)
        return Finding("redis", shown, server, ok=wrong is None, advice=wrong or "")

    return await answer("redis", shown, ask, "is it running? ASKONCE_REDIS_URL")


async def _qdrant(settings: Settings) -> Finding:
    if settings.qdrant_url is None:
        return Finding("qdrant", "not set", "no semantic cache", ok=True, advice="ASKONCE_QDRANT_URL turns it on")
    url = settings.qdrant_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        client = connect_qdrant(url, api_key=key)
        try:
            info = await client.info()
            names = [item.name for item in (await client.get_collections()).collections]
        finally:
            await client.close()
        return Finding("qdrant", shown, f"{info.title} {info.version}, {len(names)} collections", ok=True)

    return await answer("qdrant", shown, ask, "is it running? ASKONCE_QDRANT_URL, ASKONCE_QDRANT_API_KEY")


async def _vectors(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.vectors(settings, redis)

    return await answer("vectors", settings.embedding_model, ask, "is Redis running? ASKONCE_REDIS_URL")


async def _service(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.service(settings, redis)

    return await answer("service", settings.key_prefix, ask, "is Redis running? ASKONCE_REDIS_URL")


def _similarity(settings: Settings) -> Finding:
    profile = profile_of(settings.embedding_model, settings.profiles)
    if settings.similarity_threshold is not None:
        return Finding("similarity", f"{settings.similarity_threshold}", "set by ASKONCE_SIMILARITY_THRESHOLD", ok=True)
    if profile.threshold is None:
        advice = "set ASKONCE_SIMILARITY_THRESHOLD to match by similarity"
        return Finding("similarity", "not set", "exact matches only", ok=True, advice=advice)
    return Finding("similarity", f"{profile.threshold}", profile.measured, ok=True)


def _unknown() -> list[Finding]:
    return [
        Finding("settings", name, "unknown", ok=True, advice=f"did you mean {nearest}?" if nearest else "")
        for name, nearest in unknown_settings()
    ]

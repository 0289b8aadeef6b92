"""`askonce-worker check`: what is configured, what responds, and in which version."""

import asyncio

from askonce_worker.check import cache_state, judging, providers, qdrant_collection, servers
from askonce_worker.check.finding import Finding
from askonce_worker.check.money import money
from askonce_worker.check.one_part import answer
from askonce_worker.matching.profiles import profile_of
from askonce_worker.redis.connection import connect_redis
from askonce_worker.setting_names import unknown_settings
from askonce_worker.setting_needs import without_effect
from askonce_worker.settings import Settings


async def findings(settings: Settings) -> list[Finding]:
    """One finding per part. Never raises."""
    parts = await asyncio.gather(
        servers.redis(settings), servers.qdrant(settings), providers.embeddings(settings), providers.llm(settings)
    )
    judge = [await judging.judge(settings)] if settings.judge_model else []
    found = [
        *parts,
        *judge,
        await _service(settings),
        _similarity(settings),
        cache_state.lifetimes(settings),
        money(settings),
    ]
    if settings.qdrant_url is not None:
        found += [*await qdrant_collection.collections(settings), await _vectors(settings)]
    return [*found, *_without_effect(settings), *_unknown()]


async def _vectors(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.vectors(settings, redis)

    return await answer("vectors", settings.embedding, ask, "is Redis running? ASKONCE_REDIS_URL")


async def _service(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.service(settings, redis)

    return await answer("service", settings.key_prefix, ask, "is Redis running? ASKONCE_REDIS_URL")


def _similarity(settings: Settings) -> Finding:
    profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
    if settings.similarity_threshold is not None:
        return Finding("similarity", f"{settings.similarity_threshold}", "set by ASKONCE_SIMILARITY_THRESHOLD", ok=True)
    if profile.threshold is None:
        advice = f"{profile.measured}: set ASKONCE_SIMILARITY_THRESHOLD to match by similarity"
        return Finding("similarity", "not set", "exact matches only", ok=True, advice=advice)
    return Finding("similarity", f"{profile.threshold}", profile.measured, ok=True)


def _without_effect(settings: Settings) -> list[Finding]:
    off = without_effect(settings)
    return [] if off is None else [Finding("settings", off[0], "without effect", ok=True, advice=off[1])]


def _unknown() -> list[Finding]:
    return [
        Finding("settings", name, "unknown", ok=True, advice=f"did you mean {nearest}?" if nearest else "")
        for name, nearest in unknown_settings()
    ]

"""`askonce-worker check`: what is configured, what answers, and in which version."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from openai import AsyncOpenAI, OpenAIError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce_worker import check_cache, semantic_cache
from askonce_worker.finding import Finding
from askonce_worker.profiles import profile_of
from askonce_worker.settings import Settings, unknown_settings

PATIENCE = 5.0
"""Seconds for each part to answer."""


def redacted(url: str | None) -> str:
    """A URL without its user and password."""
    if not url:
        return "not set"
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


async def findings(settings: Settings) -> list[Finding]:
    """One line a part; nothing here raises."""
    parts = await asyncio.gather(_redis(settings), _qdrant(settings), _embeddings(settings), _llm(settings))
    found = [*parts, _similarity(settings), check_cache.lifetimes(settings)]
    if settings.qdrant_url is not None:
        found.append(await _vectors(settings))
    return [*found, *_strangers()]


async def _answer(part: str, configured: str, ask: Callable[[], Awaitable[Finding]], advice: str) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask()
    except TimeoutError:
        return Finding(part, configured, f"no answer within {PATIENCE:.0f} s", ok=False, advice=advice)
    except (RedisError, OpenAIError, OSError, ValueError) as error:
        return Finding(part, configured, _reason(error), ok=False, advice=advice)
    except Exception as error:  # noqa: BLE001 - Qdrant's client lets its transports' errors through
        return Finding(part, configured, type(error).__name__, ok=False, advice=advice)


def _reason(error: Exception) -> str:
    """The kind of the error, never its text: drivers put URLs with passwords into it."""
    cause = error.__cause__ or error.__context__
    return f"{type(error).__name__} ({type(cause).__name__})" if cause is not None else type(error).__name__


async def _redis(settings: Settings) -> Finding:
    url = settings.redis_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        redis = Redis.from_url(url)
        try:
            info: dict[str, Any] = await redis.info()
            policy = info.get("maxmemory_policy", "noeviction")
        finally:
            await redis.aclose()
        server = (
            f"{'Valkey' if 'valkey_version' in info else 'Redis'} {info.get('valkey_version', info['redis_version'])}"
        )
        if int(info.get("cluster_enabled", 0)):
            return Finding("redis", shown, f"{server}, Cluster", ok=False, advice="Redis Cluster is not supported")
        if policy != "noeviction":
            advice = "set maxmemory-policy noeviction: evicted keys are lost questions"
            return Finding("redis", shown, f"{server}, {policy}", ok=False, advice=advice)
        return Finding("redis", shown, server, ok=True)

    return await _answer("redis", shown, ask, "is it running? ASKONCE_REDIS_URL")


async def _qdrant(settings: Settings) -> Finding:
    if settings.qdrant_url is None:
        return Finding("qdrant", "not set", "no semantic cache", ok=True, advice="ASKONCE_QDRANT_URL turns it on")
    url = settings.qdrant_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        client = semantic_cache.connect(url, api_key=key)
        try:
            info = await client.info()
            names = [item.name for item in (await client.get_collections()).collections]
        finally:
            await client.close()
        return Finding("qdrant", shown, f"{info.title} {info.version}, {len(names)} collections", ok=True)

    return await _answer("qdrant", shown, ask, "is it running? ASKONCE_QDRANT_URL, ASKONCE_QDRANT_API_KEY")


async def _vectors(settings: Settings) -> Finding:
    async def ask() -> Finding:
        redis = Redis.from_url(settings.redis_url.get_secret_value())
        try:
            return await check_cache.vectors(settings, redis)
        finally:
            await redis.aclose()

    return await _answer("vectors", settings.embedding_model, ask, "is Redis running? ASKONCE_REDIS_URL")


async def _embeddings(settings: Settings) -> Finding:
    url = settings.embedding_base_url or settings.openai_base_url
    key = settings.embedding_api_key or settings.openai_api_key
    shown = f"{settings.embedding_model} at {redacted(url) if url else 'the provider'}"

    async def ask() -> Finding:
        async with AsyncOpenAI(base_url=url, api_key=key.get_secret_value() if key else "", max_retries=0) as client:
            reply = await client.embeddings.create(model=settings.embedding_model, input=["ready?"])
        return Finding("embeddings", shown, f"{len(reply.data[0].embedding)} dimensions", ok=True)

    return await _answer("embeddings", shown, ask, "ASKONCE_EMBEDDING_BASE_URL, ASKONCE_EMBEDDING_API_KEY")


async def _llm(settings: Settings) -> Finding:
    url, key = settings.openai_base_url, settings.openai_api_key
    shown = f"{settings.model or 'model per question'} at {redacted(url) if url else 'the provider'}"

    async def ask() -> Finding:
        async with AsyncOpenAI(base_url=url, api_key=key.get_secret_value() if key else "", max_retries=0) as client:
            names = [model.id async for model in client.models.list()]
        if settings.model and names and settings.model not in names:
            return Finding("llm", shown, f"{len(names)} models, not this one", ok=False, advice="ASKONCE_MODEL")
        return Finding("llm", shown, f"answers, {len(names)} models", ok=True)

    return await _answer("llm", shown, ask, "OPENAI_BASE_URL, OPENAI_API_KEY")


def _similarity(settings: Settings) -> Finding:
    profile = profile_of(settings.embedding_model, settings.profiles)
    if settings.similarity_threshold is not None:
        return Finding("similarity", f"{settings.similarity_threshold}", "set by ASKONCE_SIMILARITY_THRESHOLD", ok=True)
    if profile.threshold is None:
        advice = "set ASKONCE_SIMILARITY_THRESHOLD to match by similarity"
        return Finding("similarity", "not set", "exact matches only", ok=True, advice=advice)
    return Finding("similarity", f"{profile.threshold}", profile.measured, ok=True)


def _strangers() -> list[Finding]:
    return [
        Finding("settings", name, "unknown", ok=True, advice=f"did you mean {nearest}?" if nearest else "")
        for name, nearest in unknown_settings()
    ]

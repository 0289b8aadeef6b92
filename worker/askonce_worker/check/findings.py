"""`askonce-worker check`: what is configured, what answers, and in which version."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from openai import AsyncOpenAI
from pydantic import SecretStr

from askonce_worker.cache.semantic import connect_qdrant
from askonce_worker.check import advice as why
from askonce_worker.check import cache_state
from askonce_worker.check.finding import Finding
from askonce_worker.check.preflight import objection
from askonce_worker.matching.profiles import profile_of
from askonce_worker.providers.provider import connect
from askonce_worker.redis.connection import connect_redis
from askonce_worker.settings import Settings, unknown_settings

PATIENCE = 5.0
"""Seconds for each part to answer."""


def redacted(url: str | None) -> str:
    """A URL without its user, its passwords and its options; a Sentinel URL names several hosts."""
    if not url:
        return "not set"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def findings(settings: Settings) -> list[Finding]:
    """One line a part; nothing here raises."""
    parts = await asyncio.gather(_redis(settings), _qdrant(settings), _embeddings(settings), _llm(settings))
    found = [*parts, await _service(settings), _similarity(settings), cache_state.lifetimes(settings)]
    if settings.qdrant_url is not None:
        found.append(await _vectors(settings))
    return [*found, *_strangers()]


async def _answer(part: str, configured: str, ask: Callable[[], Awaitable[Finding]], advice: str) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE):
            return await ask()
    except TimeoutError:
        return Finding(part, configured, f"no answer within {PATIENCE:.0f} s", ok=False, advice=advice)
    except Exception as error:  # noqa: BLE001 - Qdrant's client lets its transports' errors through
        return Finding(part, configured, why.reason(error), ok=False, advice=why.advice(error, advice))


async def _redis(settings: Settings) -> Finding:
    url = settings.redis_url.get_secret_value()
    shown = redacted(url)

    async def ask() -> Finding:
        redis = connect_redis(url, reconnects=0)
        try:
            info: dict[str, Any] = await redis.info()
        finally:
            await redis.aclose()
        server = (
            f"{'Valkey' if 'valkey_version' in info else 'Redis'} {info.get('valkey_version', info['redis_version'])}"
        )
        wrong = objection(info)
        return Finding("redis", shown, server, ok=wrong is None, advice=wrong or "")

    return await _answer("redis", shown, ask, "is it running? ASKONCE_REDIS_URL")


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

    return await _answer("qdrant", shown, ask, "is it running? ASKONCE_QDRANT_URL, ASKONCE_QDRANT_API_KEY")


async def _vectors(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.vectors(settings, redis)

    return await _answer("vectors", settings.embedding_model, ask, "is Redis running? ASKONCE_REDIS_URL")


async def _service(settings: Settings) -> Finding:
    async def ask() -> Finding:
        async with connect_redis(settings.redis_url.get_secret_value(), reconnects=0) as redis:
            return await cache_state.service(settings, redis)

    return await _answer("service", settings.key_prefix, ask, "is Redis running? ASKONCE_REDIS_URL")


async def _embeddings(settings: Settings) -> Finding:
    url = settings.embedding_base_url or settings.openai_base_url
    key = settings.embedding_api_key or settings.openai_api_key
    shown = f"{settings.embedding_model} at {redacted(url) if url else 'the provider'}"

    async def ask() -> Finding:
        async with _openai(url, key) as client:
            reply = await client.embeddings.create(model=settings.embedding_model, input=["ready?"])
        return Finding("embeddings", shown, f"{len(reply.data[0].embedding)} dimensions", ok=True)

    return await _answer("embeddings", shown, ask, "ASKONCE_EMBEDDING_BASE_URL, ASKONCE_EMBEDDING_API_KEY")


async def _llm(settings: Settings) -> Finding:
    url, key = settings.openai_base_url, settings.openai_api_key
    shown = f"{settings.model or 'model per question'} at {redacted(url) if url else 'the provider'}"

    async def ask() -> Finding:
        async with _openai(url, key) as client:
            names = [model.id async for model in client.models.list()]
        if settings.model and names and settings.model not in names:
            return Finding("llm", shown, f"{len(names)} models, not this one", ok=False, advice="ASKONCE_MODEL")
        return Finding("llm", shown, f"answers, {len(names)} models", ok=True)

    return await _answer("llm", shown, ask, "OPENAI_BASE_URL, OPENAI_API_KEY")


def _openai(url: str | None, key: SecretStr | None) -> AsyncOpenAI:
    """As the worker speaks to it. Servers of one's own want no key; OpenAI's client does."""
    return connect(base_url=url, api_key=key.get_secret_value() if key else "none", timeout=PATIENCE)


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

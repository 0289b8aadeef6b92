"""What `askonce-worker check` reports about a refill: its progress, or its cost before a worker starts it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from openai import OpenAIError, omit
from redis.asyncio import Redis

from askonce.contract.keys import FILLED, FILLING, Keys
from askonce.prices.load import load_prices
from askonce.readable import read_object
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.matching.profiles import profile_of
from askonce_worker.providers.provider import connect
from askonce_worker.settings import Settings, matching_threshold
from askonce_worker.upkeep.fitting import fitting
from askonce_worker.upkeep.qdrant import QdrantUpkeep
from askonce_worker.upkeep.refill_cost import duration, estimate
from askonce_worker.upkeep.vectors import Vectors

SAMPLE = 64
"""Entries in the sample."""
FEW = 0.01
"""Up to this share without a vector, no refill is needed: these vectors are in the outbox, or lost."""
MEASURED = 16
"""Texts in the request that measures the embedding server."""
PACE_WITHIN = 2.0
QDRANT_WITHIN = 1.0


async def words(settings: Settings, redis: Redis, keys: Keys) -> list[str]:
    """One sentence, or none if nothing needs a refill. Asks the embedding server for a few vectors."""
    if settings.qdrant_url is None or matching_threshold(settings) is None:
        return []
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    client = QdrantChannel(settings.qdrant_url.get_secret_value(), api_key=key)
    model, dimensions, prefix = settings.embedding_model, settings.embedding_dimensions, settings.key_prefix
    upkeep = QdrantUpkeep(client, prefix=prefix, embedding_model=model, dimensions=dimensions, timeout=QDRANT_WITHIN)
    try:
        return await _words(settings, redis, keys, Vectors(redis, keys, upkeep))
    except SemanticCacheDown:
        return []  # the finding about Qdrant says why
    finally:
        await client.close()


async def _words(settings: Settings, connection: Any, keys: Keys, vectors: Vectors) -> list[str]:
    told, made = await connection.hmget(keys.upkeep, FILLING, FILLED)
    if told is not None and (record := read_object(told)).get("embedding") == settings.embedding:
        seconds = (await connection.time())[0] - record["began"]
        return [_progress(int(made or 0), record["texts"], seconds)]
    names = [name.decode() for name in await connection.zrandmember(keys.touched, SAMPLE)]
    max_tokens = profile_of(settings.embedding_model, settings.profiles).max_tokens
    begun = await fitting(connection, keys, names, max_tokens=max_tokens)
    expiries = {name: each.head.expires_at for name, each in begun.items()}
    absent = await vectors.absent(await vectors.current(), expiries)
    if not absent or len(absent) < FEW * len(begun):
        return []
    texts = [question for name in absent if (question := begun[name].question)]
    cost = estimate(
        [begun[name].tokens for name in absent],
        len(absent) / len(names) * await connection.zcard(keys.touched),
        model=settings.embedding_model,
        prices=load_prices(),
        pace=await _pace(settings, texts[:MEASURED]) if texts else None,
    )
    return [f"to be filled: {cost.words()}"]


def _progress(made: int, texts: int, seconds: float) -> str:
    left = max(0, texts - made)
    rest = f", about {duration(left * seconds / made)} left" if made and seconds > 0 else ""
    return f"being filled: {made:,} of about {texts:,} texts{rest}"


async def _pace(settings: Settings, texts: Sequence[str]) -> float | None:
    """The embedding server's texts per second."""
    key = settings.embedding_api_key or settings.openai_api_key
    url = settings.embedding_base_url or settings.openai_base_url
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(PACE_WITHIN),
            connect(base_url=url, api_key=key.get_secret_value() if key else "none", timeout=PACE_WITHIN) as client,
        ):
            await client.embeddings.create(
                model=settings.embedding_model, input=list(texts), dimensions=settings.embedding_dimensions or omit
            )
    except (OpenAIError, TimeoutError):
        return None
    return len(texts) / max(1e-3, time.monotonic() - began)

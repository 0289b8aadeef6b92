"""Wires the parts of upkeep into periodic jobs."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import load_prices
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.health.parts import PartHealth
from askonce_worker.inflight.feed import Feed
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.matching.profiles import profile_of
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.settings import Settings, listed, matching_threshold
from askonce_worker.upkeep.eviction import DeletesVectors, Eviction
from askonce_worker.upkeep.fill import Fill
from askonce_worker.upkeep.hour_packing import HourPacking
from askonce_worker.upkeep.housekeeping import Maintenance, Part
from askonce_worker.upkeep.lapsed import LapsedLeaders
from askonce_worker.upkeep.models import Models
from askonce_worker.upkeep.orphans import OrphanSweep
from askonce_worker.upkeep.qdrant import QdrantUpkeep
from askonce_worker.upkeep.refill_news import RefillNews, pace_of
from askonce_worker.upkeep.relief import Relief
from askonce_worker.upkeep.stale import StaleSweep
from askonce_worker.upkeep.vectors import Vectors
from askonce_worker.upkeep.wrong_rates import WrongRateReport


async def _no_vectors(fingerprints: Sequence[str], *, before: int) -> None:
    """Where no Qdrant is configured."""


async def _nothing_to_note() -> None:
    pass


def maintenance(
    settings: Settings,
    redis: Redis,
    keys: Keys,
    semantic: QdrantSemanticCache | None,
    embedder: OpenAIEmbedder,
    health: PartHealth,
    stack: AsyncExitStack,
) -> Maintenance:
    """semantic: this worker's semantic cache, if it has one. stack: closes what is opened."""
    feed = Feed(redis, keys, worker_id="", embedding_id=settings.embedding, lease=settings.lease)
    lapsed = LapsedLeaders(redis, keys, feed)
    packing = HourPacking(redis, keys, clock=time.monotonic)
    rates = _rates(settings, redis, keys)
    if semantic is None:
        eviction = _eviction(settings, redis, keys, _no_vectors)
        parts: list[Part] = [lapsed, packing, *rates, eviction, _stale(settings, redis, keys, _no_vectors)]
        return Maintenance(redis, keys, parts, _relief(redis, keys, _no_vectors), _nothing_to_note, health)
    vectors = Vectors(redis, keys, _qdrant(settings, stack))
    eviction = _eviction(settings, redis, keys, vectors.delete)
    parts = [
        lapsed,
        packing,
        *rates,
        eviction,
        _stale(settings, redis, keys, vectors.delete),
        OrphanSweep(redis, keys, vectors, clock=time.monotonic),
    ]
    if matching_threshold(settings) is not None:  # otherwise nothing would check the vectors
        parts.append(_fill(settings, redis, keys, vectors, embedder))
    relief = _relief(redis, keys, vectors.delete)
    return Maintenance(redis, keys, parts, relief, lambda: vectors.note(semantic.collections), health)


def _rates(settings: Settings, redis: Redis, keys: Keys) -> list[Part]:
    """Where hits are checked."""
    budget, rate = settings.error_budget, settings.audit_rate
    if budget is None and rate is None:
        return []
    judging = settings.audit_budget if settings.judge_model else None
    return [WrongRateReport(redis, keys, budget=budget, rate=rate, judging=judging)]


def _fill(settings: Settings, redis: Redis, keys: Keys, vectors: Vectors, embedder: OpenAIEmbedder) -> Fill:
    max_tokens = profile_of(settings.embedding_model, settings.profiles).max_tokens
    news = RefillNews(
        redis,
        keys,
        model=settings.embedding_model,
        embedding=settings.embedding,
        prices=load_prices(),
        pace=pace_of(embedder),
    )
    return Fill(redis, keys, vectors, news, embedding=settings.embedding, max_tokens=max_tokens, clock=time.monotonic)


def _qdrant(settings: Settings, stack: AsyncExitStack) -> QdrantUpkeep:
    assert settings.qdrant_url is not None
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    client = QdrantChannel(settings.qdrant_url.get_secret_value(), api_key=key)
    stack.push_async_callback(client.close)
    return QdrantUpkeep(
        client,
        prefix=settings.key_prefix,
        embedding_model=settings.embedding_model,
        dimensions=settings.embedding_dimensions,
    )


def _eviction(settings: Settings, redis: Redis, keys: Keys, delete_vectors: DeletesVectors) -> Eviction:
    return Eviction(
        redis,
        keys,
        delete_vectors,
        max_idle=settings.max_idle,
        max_entries=settings.max_entries,
        clock=time.monotonic,
    )


def _relief(redis: Redis, keys: Keys, delete_vectors: DeletesVectors) -> Callable[[float], Awaitable[None]]:
    return Relief(redis, keys, delete_vectors, clock=time.monotonic).run


def _stale(settings: Settings, redis: Redis, keys: Keys, delete_vectors: DeletesVectors) -> StaleSweep:
    models = Models(redis, keys, on_upgrade=settings.on_model_upgrade)
    return StaleSweep(
        redis,
        keys,
        delete_vectors,
        models.superseded,
        retired=listed(settings.retired_models),
        never=never_cached(settings.never_cache),
        clock=time.monotonic,
    )

"""The parts of a worker, made of its settings: one function each. `assemble.py` puts them together."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import structlog
from pydantic import SecretStr
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.contract.unmatched import Unmatched
from askonce.tasks import stop
from askonce_worker.answering.llm_slots import LLMSlots
from askonce_worker.answering.ports import Candidate, Clock, Finished, VectorQuery
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.outbox import Outbox
from askonce_worker.cache.publisher import Publisher
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.semantic import QdrantSemanticCache, greet_qdrant
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.health.parts import PartHealth
from askonce_worker.inflight.coalescer import RedisCoalescer
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import conflict
from askonce_worker.matching.profiles import Profile, profile_of
from askonce_worker.pacing.limits import Waits
from askonce_worker.providers import provider
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.retry import Backoff
from askonce_worker.redis.connection import connect_redis
from askonce_worker.settings import Settings, matching_threshold
from askonce_worker.upkeep.refill import Refill
from askonce_worker.wiring.observers import Watch

log = structlog.get_logger()

EMBEDDING_TIMEOUT = 30.0
"""Seconds of one request. What is under way is bounded so that each takes about one."""


MAX_EMBEDDINGS_BYTES = 268_435_456
"""Maximum bytes of a reply: 2,048 vectors of 3,072 numbers take 130 MB if a server writes them as decimals."""


class NoSemanticCache:
    """Used without Qdrant: nothing is similar, and vectors are dropped."""

    async def search(self, queries: Sequence[VectorQuery], **_: Any) -> list[list[Candidate] | Unmatched]:
        return [[] for _ in queries]


def secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def matching_profile(settings: Settings) -> Profile:
    profile = profile_of(settings.embedding_model, settings.profiles, settings.embedding_dimensions)
    threshold = matching_threshold(settings)
    if threshold is None:
        log.warning("similarity.off", embedding_model=settings.embedding, reason=profile.measured)
    else:
        log.info("similarity.on", embedding_model=settings.embedding, threshold=threshold)
    return Profile(profile.model, threshold, profile.max_tokens, profile.measured)


def waits_of(settings: Settings) -> Waits:
    """For Qdrant and for the embedding server."""
    return Waits(settings.semantic_wait_interactive, settings.semantic_wait)


def connect_embeddings(settings: Settings, stack: AsyncExitStack) -> provider.ProviderClient:
    client = provider.connect(
        api_key=secret(settings.embedding_api_key or settings.openai_api_key) or "none",
        base_url=settings.embedding_base_url or settings.openai_base_url,
        timeout=EMBEDDING_TIMEOUT,
        most=MAX_EMBEDDINGS_BYTES,
    )
    stack.push_async_callback(client.close)
    return client


def embedder_of(settings: Settings, profile: Profile, watched: Watch, stack: AsyncExitStack) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        connect_embeddings(settings, stack),
        model=settings.embedding_model,
        dimensions=settings.embedding_dimensions,
        max_tokens=profile.max_tokens,
        backoff=Backoff(random.random, least=0.2, factor=2.0),
        waits=waits_of(settings),
        timeout=EMBEDDING_TIMEOUT,
        on_call=watched.on_call,
    )


def semantic_of(settings: Settings, clock: Clock, stack: AsyncExitStack) -> QdrantSemanticCache | None:
    if settings.qdrant_url is None:
        log.warning("semantic.off", reason="ASKONCE_QDRANT_URL is not set")
        return None
    url = settings.qdrant_url.get_secret_value()
    client = QdrantChannel(url, api_key=secret(settings.qdrant_api_key))
    cache = QdrantSemanticCache(
        client,
        embedding_model=settings.embedding_model,
        now=lambda: clock.now_ms() / 1000,
        prefix=settings.key_prefix,
        quantization=settings.vector_quantization,
        waits=waits_of(settings),
    )
    stack.push_async_callback(cache.close)
    stack.push_async_callback(stop, asyncio.create_task(greet_qdrant(url, client)))
    return cache


def slots_of(settings: Settings) -> LLMSlots:
    return LLMSlots(settings.llm_concurrency, reserved=max(1, settings.llm_concurrency // 8))


def coalescer_of(settings: Settings, redis: Redis, keys: Keys, worker: str, reported: ReportedPairs) -> RedisCoalescer:
    coalescer = RedisCoalescer(
        redis,
        keys,
        worker=worker,
        embedding=settings.embedding,
        conflict=conflict,
        reported=reported,
        lease=settings.lease,
    )
    reported.on_dropped = coalescer.drop_answer
    return coalescer


def publisher_of(
    settings: Settings,
    redis: Redis,
    keys: Keys,
    worker: str,
    counts: CallCounts,
    watched: Watch,
    on_published: Sequence[Callable[[list[Finished]], None]],
) -> Publisher:
    return Publisher(
        redis,
        keys,
        worker=worker,
        counts=counts,
        embedding=settings.embedding,
        cache_ttl=settings.cache_ttl,
        result_ttl=settings.result_ttl,
        outbox_max=settings.outbox_max if settings.qdrant_url is not None else 0,
        compress=settings.compress,
        on_published=on_published,
        stage=watched.stage,
    )


def refill_of(
    settings: Settings,
    redis: Redis,
    keys: Keys,
    worker: str,
    vectors: QdrantSemanticCache,
    embedder: OpenAIEmbedder,
    exact: ExactCache,
    refusals: Refusals,
) -> Refill:
    embedding = settings.embedding
    return Refill(redis, keys, vectors, embedder, exact.entries, worker=worker, embedding=embedding, refusals=refusals)


def outbox_of(
    settings: Settings,
    keys: Keys,
    worker: str,
    vectors: QdrantSemanticCache,
    embedder: OpenAIEmbedder,
    exact: ExactCache,
    refusals: Refusals,
    health: PartHealth,
    stack: AsyncExitStack,
) -> Outbox:
    """The outbox on its own connection, because its reads block."""
    reader = connect_redis(settings.redis_url.get_secret_value(), reconnects=0)
    stack.push_async_callback(reader.aclose)
    embedding = settings.embedding
    return Outbox(
        reader,
        keys,
        vectors,
        embedder,
        exact.entries,
        worker=worker,
        embedding=embedding,
        refusals=refusals,
        health=health,
    )

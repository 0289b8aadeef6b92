"""Where the parts meet: settings come in, a service comes out. Nothing else knows both pipeline and adapters."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce.keys import Keys
from askonce.tasks import stop
from askonce_worker import provider, redis_connection, semantic_cache, upkeep_wiring
from askonce_worker.asking import Asking
from askonce_worker.budget import RateBudget, provider_name
from askonce_worker.embeddings import OpenAIEmbedder
from askonce_worker.error_place import place
from askonce_worker.exact_cache import ExactCache
from askonce_worker.inflight.coalescer import RedisCoalescer
from askonce_worker.inflight.feed import SETTLE
from askonce_worker.job import ChunkJob
from askonce_worker.llm import OpenAILLM
from askonce_worker.maintenance import Maintenance
from askonce_worker.match import Matcher, conflict
from askonce_worker.never_cache import never_cached
from askonce_worker.outbox import Outbox
from askonce_worker.pipeline import Pipeline
from askonce_worker.places import Places
from askonce_worker.ports import Candidate, Clock, VectorQuery
from askonce_worker.profiles import Profile, profile_of
from askonce_worker.publisher import Publisher
from askonce_worker.refusals import Refusals
from askonce_worker.reported import ReportedPairs
from askonce_worker.retry import Backoff
from askonce_worker.semantic_cache import QdrantSemanticCache
from askonce_worker.settings import Settings
from askonce_worker.slots import LLMSlots
from askonce_worker.tally import Tally
from askonce_worker.watching import Watch, told, watch

log = structlog.get_logger()


BACKGROUND_PAUSE = 5.0
"""Seconds before what runs beside the jobs, and has failed, begins anew."""


class NoSemanticCache:
    """Where no Qdrant is configured: nothing is similar, and vectors go nowhere."""

    async def search(self, queries: Sequence[VectorQuery]) -> list[list[Candidate]]:
        return [[] for _ in queries]


@dataclass(frozen=True, slots=True)
class Service:
    """A wired worker. jobs: what arq runs. background: what runs beside the jobs until the worker ends.
    maintenance: what is done from time to time. watch: who looks at it.
    """

    jobs: ChunkJob
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...]
    maintenance: Maintenance
    watch: Watch


def secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


@asynccontextmanager
async def service(settings: Settings, *, worker: str, clock: Clock) -> AsyncIterator[Service]:
    """Everything a worker needs to answer chunks, open; closed at the end. Raises MetricsPortError."""
    keys, url = Keys(settings.key_prefix), settings.redis_url.get_secret_value()
    profile, watched, refusals = _profile(settings), watch(settings), Refusals()
    async with AsyncExitStack() as stack:
        redis = redis_connection.connect(url)
        stack.push_async_callback(redis.aclose)
        embedder = _embedder(settings, profile, watched, stack)
        reported = ReportedPairs(keys, refusals)
        exact = ExactCache(redis, keys, reported, refusals)
        matcher = Matcher(
            threshold=profile.threshold,
            max_chars=settings.semantic_max_chars,
            never=never_cached(settings.never_cache),
            reported=reported,
        )
        vectors = _semantic(settings, clock, stack)
        coalescer = RedisCoalescer(
            redis,
            keys,
            worker=worker,
            embedding=settings.embedding_model,
            conflict=conflict,
            reported=reported,
            lease=settings.lease,
        )
        reported.on_dropped = coalescer.drop_answer
        tally, budget = Tally(), _budget(settings, redis, keys)
        publisher = Publisher(
            redis,
            keys,
            worker=worker,
            tally=tally,
            embedding=settings.embedding_model,
            cache_ttl=settings.cache_ttl,
            result_ttl=settings.result_ttl,
            outbox_max=settings.outbox_max if vectors is not None else 0,
            scripts=(SETTLE,),
            on_published=watched.on_published,
            stage=watched.stage,
        )
        asking = Asking(
            clock=clock,
            matcher=matcher,
            coalescer=coalescer,
            places=Places(_slots(settings), budget, watched.stage),
            llm=_llm(settings, tally, budget, watched, stack),
            outbound=publisher,
            stage=watched.stage,
        )
        pipeline = Pipeline(
            clock=clock,
            exact=exact,
            embedder=embedder,
            semantic=vectors or NoSemanticCache(),
            matcher=matcher,
            coalescer=coalescer,
            asking=asking,
            outbound=publisher,
            stage=watched.stage,
        )
        background = [budget.watch]
        if vectors is not None:
            reader = redis_connection.connect(url, reconnects=0)
            stack.push_async_callback(reader.aclose)
            embedding = settings.embedding_model
            outbox = Outbox(
                reader, keys, vectors, embedder, exact.entries, worker=worker, embedding=embedding, refusals=refusals
            )
            background.append(outbox.run)
        await stack.enter_async_context(coalescer)
        stack.push_async_callback(_flush, publisher)
        house = upkeep_wiring.maintenance(settings, redis, keys, vectors, stack)
        await stack.enter_async_context(told(watched, settings, coalescer=coalescer, asking=asking, refusals=refusals))
        jobs = ChunkJob(pipeline, publisher, refusals, watched.around, log_prompts=settings.log_prompts)
        yield Service(jobs, tuple(background), house, watched)


async def _flush(publisher: Publisher) -> None:
    try:
        await publisher.flush()
    except (RedisError, OSError) as error:
        log.warning("tally.lost", error=type(error).__name__)


def _profile(settings: Settings) -> Profile:
    profile = profile_of(settings.embedding_model, settings.profiles)
    threshold = settings.similarity_threshold or profile.threshold
    if threshold is None:
        log.warning("similarity.off", embedding_model=settings.embedding_model, reason="no threshold is known for it")
    else:
        log.info("similarity.on", embedding_model=settings.embedding_model, threshold=threshold)
    return Profile(profile.model, threshold, profile.max_tokens, profile.measured)


def _embedder(settings: Settings, profile: Profile, watched: Watch, stack: AsyncExitStack) -> OpenAIEmbedder:
    client = provider.connect(
        api_key=secret(settings.embedding_api_key or settings.openai_api_key) or "none",
        base_url=settings.embedding_base_url or settings.openai_base_url,
        timeout=5.0,
    )
    stack.push_async_callback(client.close)
    return OpenAIEmbedder(
        client,
        model=settings.embedding_model,
        max_tokens=profile.max_tokens,
        backoff=Backoff(random.random),
        on_call=watched.on_call,
    )


def _semantic(settings: Settings, clock: Clock, stack: AsyncExitStack) -> QdrantSemanticCache | None:
    if settings.qdrant_url is None:
        log.warning("semantic.off", reason="ASKONCE_QDRANT_URL is not set")
        return None
    client = semantic_cache.connect(settings.qdrant_url.get_secret_value(), api_key=secret(settings.qdrant_api_key))
    stack.push_async_callback(client.close)
    return QdrantSemanticCache(
        client,
        embedding_model=settings.embedding_model,
        now=lambda: clock.now_ms() / 1000,
        prefix=settings.key_prefix,
    )


def _slots(settings: Settings) -> LLMSlots:
    return LLMSlots(settings.llm_concurrency, reserved=max(1, settings.llm_concurrency // 8))


def _budget(settings: Settings, redis: Redis, keys: Keys) -> RateBudget:
    return RateBudget(redis, keys, provider=provider_name(settings.openai_base_url), rpm=settings.rpm, tpm=settings.tpm)


def _llm(settings: Settings, tally: Tally, budget: RateBudget, watched: Watch, stack: AsyncExitStack) -> OpenAILLM:
    def on_retry(kind: str, pause: float, model: str) -> None:
        log.warning("llm.retry", kind=kind, seconds=round(pause, 2))
        watched.retried(kind, model)

    client = provider.connect(
        api_key=secret(settings.openai_api_key) or "none",
        base_url=settings.openai_base_url,
        timeout=settings.llm_timeout,
    )
    stack.push_async_callback(client.close)
    return OpenAILLM(
        client,
        timeout=settings.llm_timeout,
        backoff=Backoff(random.random),
        on_retry=on_retry,
        on_rate_limit=budget.pause,
        tally=tally,
        on_call=watched.on_call,
    )


@asynccontextmanager
async def running(background: tuple[Callable[[], Coroutine[Any, Any, None]], ...]) -> AsyncIterator[None]:
    """Runs these beside what is inside, and ends them with it."""
    tasks = [asyncio.create_task(_for_ever(run)) for run in background]
    try:
        yield
    finally:
        await stop(*tasks)


async def _for_ever(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """What fails begins anew: a worker without its outbox would only seem to live."""
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not go unseen or end the rest
            log.error("background.failed", error=type(error).__name__, where=place(error))
        await asyncio.sleep(BACKGROUND_PAUSE)

"""Where the parts meet: settings come in, a service comes out. Nothing else knows both pipeline and adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import Prices
from askonce.tasks import stop
from askonce_worker.answering.asking import Asking
from askonce_worker.answering.chunk_job import ChunkJob
from askonce_worker.answering.lead_or_follow import LeadOrFollow
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.pipeline import Pipeline
from askonce_worker.answering.ports import Clock
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.publisher import Publisher
from askonce_worker.cache.question_facts import QuestionFacts
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.explaining.explain_job import ExplainJob
from askonce_worker.health.parts import PartHealth
from askonce_worker.inflight.coalescer import RedisCoalescer
from askonce_worker.logs.error_origin import place
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.rate_budget import RateBudget
from askonce_worker.redis.connection import connect_redis
from askonce_worker.redis.facts import EvictionWatch
from askonce_worker.settings import Settings
from askonce_worker.upkeep.housekeeping import Maintenance
from askonce_worker.wiring import llm_parts, parts, upkeep
from askonce_worker.wiring.observers import Figures, Watch, told, watch
from askonce_worker.wiring.parked import Around, parked_of

log = structlog.get_logger()


HEALTHY_AFTER = 30.0
"""Seconds after which what runs beside the jobs counts as healthy again."""
BACKGROUND_PAUSE = 5.0
"""Seconds before what runs beside the jobs, and has failed, is restarted."""


Background = Mapping[str, Callable[[], Coroutine[Any, Any, None]]]
"""What runs beside the jobs until the worker ends, by the names under which probes show it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A wired worker.

    Attributes:
        jobs: what arq runs.
        explaining: the job that explains a question.
        background: what runs beside the jobs.
        maintenance: the periodic jobs.
        watch: the metrics and traces.
    """

    jobs: ChunkJob
    explaining: ExplainJob
    background: Background
    maintenance: Maintenance
    watch: Watch


@dataclass(frozen=True, slots=True)
class _Shared:
    """The parts that several others need."""

    redis: Redis
    keys: Keys
    refusals: Refusals
    reported: ReportedPairs
    matcher: Matcher
    exact: ExactCache
    embedder: OpenAIEmbedder
    vectors: QdrantSemanticCache | None
    coalescer: RedisCoalescer
    publisher: Publisher
    counts: CallCounts
    prices: Prices
    rates: RateBudget
    money: MoneyBudget


@asynccontextmanager
async def service(settings: Settings, health: PartHealth, *, worker: str, clock: Clock) -> AsyncIterator[Service]:
    """Everything a worker needs to answer chunks, open; closed at the end. Raises MetricsPortError."""
    watched = watch(settings)
    async with AsyncExitStack() as stack:
        shared = _shared(settings, watched, worker, clock, stack)
        lookup = _lookup(settings, shared, watched, clock)
        lead_or_follow = _lead_or_follow(settings, shared, lookup, watched, clock, stack)
        background = _background(settings, shared, worker, health, stack)
        await stack.enter_async_context(shared.coalescer)
        stack.push_async_callback(shared.publisher.aclose)
        house = upkeep.maintenance(settings, shared.redis, shared.keys, shared.vectors, shared.embedder, health, stack)
        figures = Figures(shared.coalescer, lead_or_follow, shared.embedder, shared.vectors, shared.refusals, health)
        await stack.enter_async_context(told(watched, settings, shared.prices, figures))
        parking, tending = parked_of(settings, _around(shared, lookup, clock), stack)
        pipeline = Pipeline(lookup, shared.coalescer, lead_or_follow, parking)
        prompts = settings.log_prompts
        jobs = ChunkJob(pipeline, shared.publisher, shared.refusals, watched.around, log_prompts=prompts)
        yield Service(jobs, _explaining(shared, clock), {**background, "batches": tending.run}, house, watched)


def _around(shared: _Shared, lookup: Lookup, clock: Clock) -> Around:
    return Around(
        redis=shared.redis,
        keys=shared.keys,
        refusals=shared.refusals,
        matcher=shared.matcher,
        exact=shared.exact,
        coalescer=shared.coalescer,
        lookup=lookup,
        outbound=shared.publisher,
        clock=clock,
    )


def _background(
    settings: Settings, shared: _Shared, worker: str, health: PartHealth, stack: AsyncExitStack
) -> Background:
    always = {"budget": shared.rates.watch, "eviction watch": EvictionWatch(shared.redis, health).run}
    if shared.vectors is None:
        return always
    vectors, embedder, exact, refusals = shared.vectors, shared.embedder, shared.exact, shared.refusals
    outbox = parts.outbox_of(settings, shared.keys, worker, vectors, embedder, exact, refusals, health, stack)
    refill = parts.refill_of(settings, shared.redis, shared.keys, worker, vectors, embedder, exact, refusals)
    return {**always, "outbox": outbox.run, "refill": refill.run}


def _shared(settings: Settings, watched: Watch, worker: str, clock: Clock, stack: AsyncExitStack) -> _Shared:
    keys, refusals, prices = Keys(settings.key_prefix), Refusals(), llm_parts.prices_of(settings)
    counts = CallCounts(prices)
    profile = parts.matching_profile(settings)
    redis = connect_redis(settings.redis_url.get_secret_value())
    stack.push_async_callback(redis.aclose)
    reported = ReportedPairs(keys, refusals)
    return _Shared(
        redis=redis,
        keys=keys,
        refusals=refusals,
        reported=reported,
        matcher=Matcher(
            threshold=profile.threshold,
            max_chars=settings.semantic_max_chars,
            never=never_cached(settings.never_cache),
            reported=reported,
        ),
        exact=ExactCache(redis, keys, reported, refusals),
        embedder=parts.embedder_of(settings, profile, watched, stack),
        vectors=parts.semantic_of(settings, clock, stack),
        coalescer=parts.coalescer_of(settings, redis, keys, worker, reported),
        publisher=parts.publisher_of(settings, redis, keys, worker, counts, watched),
        counts=counts,
        prices=prices,
        rates=llm_parts.rates_of(settings, redis, keys),
        money=llm_parts.money_of(settings, redis, keys, worker, prices, stack),
    )


def _lookup(settings: Settings, shared: _Shared, watched: Watch, clock: Clock) -> Lookup:
    return Lookup(
        clock=clock,
        exact=shared.exact,
        embedder=shared.embedder,
        semantic=shared.vectors or parts.NoSemanticCache(),
        matcher=shared.matcher,
        outbound=shared.publisher,
        llm_seconds=settings.llm_timeout,
        bulk_tier=settings.bulk_tier,
        stage=watched.stage,
    )


def _explaining(shared: _Shared, clock: Clock) -> ExplainJob:
    return ExplainJob(
        clock=clock,
        matcher=shared.matcher,
        embedder=shared.embedder,
        semantic=shared.vectors or parts.NoSemanticCache(),
        neighbours=shared.vectors,
        knowledge=QuestionFacts(shared.redis, shared.keys, shared.exact, shared.reported, shared.refusals),
    )


def _lead_or_follow(
    settings: Settings, shared: _Shared, lookup: Lookup, watched: Watch, clock: Clock, stack: AsyncExitStack
) -> LeadOrFollow:
    turns = LLMTurns(parts.slots_of(settings), shared.rates, watched.stage)
    asking = Asking(
        clock=clock,
        coalescer=shared.coalescer,
        turns=turns,
        llm=llm_parts.llm_of(settings, shared.counts, shared.rates, shared.money, watched, stack),
        outbound=shared.publisher,
        cached_for=min(settings.cache_ttl, settings.max_idle),
        stage=watched.stage,
    )
    return LeadOrFollow(
        lookup=lookup,
        coalescer=shared.coalescer,
        turns=turns,
        asking=asking,
        outbound=shared.publisher,
        stage=watched.stage,
    )


@asynccontextmanager
async def running(background: Background, health: PartHealth) -> AsyncIterator[None]:
    """Runs these beside what is inside, and ends them with it."""
    tasks = [asyncio.create_task(_keep_running(name, run, health)) for name, run in background.items()]
    try:
        yield
    finally:
        await stop(*tasks)


async def _keep_running(name: str, run: Callable[[], Coroutine[Any, Any, None]], health: PartHealth) -> None:
    """What fails is restarted: a worker without its outbox would only seem to live."""
    while True:
        healthy = asyncio.get_running_loop().call_later(HEALTHY_AFTER, health.succeeded, name)
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not go unseen or end the rest
            log.error("background.failed", part=name, error=type(error).__name__, where=place(error))
            health.failed(name)
        finally:
            healthy.cancel()
        await asyncio.sleep(BACKGROUND_PAUSE)

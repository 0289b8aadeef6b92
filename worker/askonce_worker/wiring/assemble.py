"""Where the parts meet: settings come in, a service comes out. Nothing else knows both pipeline and adapters."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass

import structlog
from arq.cron import CronJob
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import Prices
from askonce_worker.answering.asking import Asking
from askonce_worker.answering.chunk_job import ChunkJob
from askonce_worker.answering.lead_or_follow import LeadOrFollow
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.pipeline import Pipeline
from askonce_worker.answering.ports import LLM, Clock, Finished
from askonce_worker.answering.serving import Serving
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.publisher import Publisher
from askonce_worker.cache.question_facts import QuestionFacts
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.explaining.explain_job import ExplainJob
from askonce_worker.health.parts import PartHealth
from askonce_worker.inflight.coalescer import RedisCoalescer
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.embeddings import OpenAIEmbedder
from askonce_worker.providers.key_budget import KeyBudget
from askonce_worker.providers.rate_budget import RateBudget
from askonce_worker.redis.connection import connect_redis
from askonce_worker.redis.facts import EvictionWatch
from askonce_worker.schemas.schemas import Schemas
from askonce_worker.settings import Settings
from askonce_worker.upkeep.housekeeping import Maintenance
from askonce_worker.wiring import audit, llm_parts, parts, upkeep
from askonce_worker.wiring.background import Background
from askonce_worker.wiring.observers import Figures, Watch, serving_metrics, watch
from askonce_worker.wiring.parked import Around, parked_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A wired worker.

    Attributes:
        jobs: what arq runs.
        explaining: the job that explains a question.
        background: what runs beside the jobs. maintenance, audit: the periodic ones.
        watch: the metrics and traces.
    """

    jobs: ChunkJob
    explaining: ExplainJob
    background: Background
    maintenance: Maintenance
    audit: audit.Audit
    watch: Watch

    def cron_jobs(self) -> list[CronJob]:
        return [*self.maintenance.cron_jobs(), *self.audit.periodic]


@dataclass(frozen=True, slots=True)
class _Shared:
    """The parts that several others need."""

    redis: Redis
    keys: Keys
    refusals: Refusals
    reported: ReportedPairs
    matcher: Matcher
    searcher: Matcher  # knows more than the matcher lets pass, for policies
    exact: ExactCache
    embedder: OpenAIEmbedder
    schemas: Schemas
    vectors: QdrantSemanticCache | None
    coalescer: RedisCoalescer
    publisher: Publisher
    counts: CallCounts
    prices: Prices
    rates: RateBudget
    money: KeyBudget
    on_published: list[Callable[[list[Finished]], None]]


@asynccontextmanager
async def service(settings: Settings, health: PartHealth, *, worker: str, clock: Clock) -> AsyncIterator[Service]:
    """Everything a worker needs to answer chunks, open; closed at the end. Raises MetricsPortError."""
    watched = watch(settings)
    async with AsyncExitStack() as stack:
        shared = _shared(settings, watched, worker, clock, stack)
        turns = llm_parts.turns_of(settings, shared.rates, shared.money, watched)
        llm = llm_parts.llm_of(settings, shared.counts, shared.rates, shared.money, shared.schemas, watched, stack)
        audited = _audit(settings, shared, worker, turns, llm, clock, stack)
        lookup = _lookup(settings, shared, audited.serving, watched, clock)
        asked = llm_parts.by_endpoint(settings, llm, shared.counts, shared.rates, shared.money, watched, stack)
        lead_or_follow = _lead_or_follow(settings, shared, lookup, turns, asked, watched, clock)
        background = {**_background(settings, shared, worker, health, stack), **audited.background}
        await stack.enter_async_context(shared.coalescer)
        stack.push_async_callback(shared.publisher.aclose)
        house = upkeep.maintenance(settings, shared.redis, shared.keys, shared.vectors, shared.embedder, health, stack)
        figures = Figures(shared.coalescer, lead_or_follow, shared.embedder, shared.vectors, shared.refusals, health)
        await stack.enter_async_context(serving_metrics(watched, settings, shared.prices, figures))
        parking, tending = parked_of(settings, _around(shared, lookup, clock), stack)
        gate, prompts = audited.gate(lookup, shared.publisher, clock), settings.log_prompts
        pipeline = Pipeline(lookup, shared.coalescer, lead_or_follow, parking, gate)
        jobs = ChunkJob(pipeline, shared.publisher, shared.refusals, watched.around, log_prompts=prompts)
        explaining = _explaining(shared, audited.serving, clock)
        yield Service(jobs, explaining, {**background, "batches": tending.run}, house, audited, watched)


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
        schemas=shared.schemas,
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
    reported, schemas = ReportedPairs(keys, refusals), stack.enter_context(closing(Schemas.started()))
    on_published = watched.on_published
    return _Shared(
        redis=redis,
        keys=keys,
        refusals=refusals,
        reported=reported,
        matcher=audit.matcher_of(settings, profile.threshold, reported),
        searcher=audit.matcher_of(settings, audit.searched_from(settings), reported),
        exact=ExactCache(redis, keys, reported, refusals, schemas.mismatch),
        schemas=schemas,
        embedder=parts.embedder_of(settings, profile, watched, stack),
        vectors=parts.semantic_of(settings, clock, stack),
        coalescer=parts.coalescer_of(settings, redis, keys, worker, reported),
        publisher=parts.publisher_of(settings, redis, keys, worker, counts, watched, on_published),
        counts=counts,
        prices=prices,
        rates=llm_parts.rates_of(settings, redis, keys),
        money=llm_parts.with_keys(llm_parts.money_of(settings, redis, keys, worker, prices, stack), stack),
        on_published=on_published,
    )


def _audit(
    settings: Settings, of: _Shared, worker: str, turns: LLMTurns, llm: LLM, clock: Clock, stack: AsyncExitStack
) -> audit.Audit:
    return audit.audit(
        settings,
        of.redis,
        of.keys,
        of.vectors,
        of.searcher,
        of.refusals,
        worker=worker,
        turns=turns,
        llm=llm,
        outbound=of.publisher,
        clock=clock,
        on_published=of.on_published,
        stack=stack,
    )


def _lookup(settings: Settings, shared: _Shared, serving: Serving, watched: Watch, clock: Clock) -> Lookup:
    return Lookup(
        clock=clock,
        exact=shared.exact,
        embedder=shared.embedder,
        semantic=shared.vectors or parts.NoSemanticCache(),
        matcher=shared.searcher,
        serving=serving,
        outbound=shared.publisher,
        llm_seconds=settings.llm_timeout,
        bulk_tier=settings.bulk_tier,
        check_schema=shared.schemas.mismatch,
        stage=watched.stage,
    )


def _explaining(shared: _Shared, serving: Serving, clock: Clock) -> ExplainJob:
    return ExplainJob(
        clock=clock,
        matcher=shared.searcher,
        serving=serving,
        embedder=shared.embedder,
        semantic=shared.vectors or parts.NoSemanticCache(),
        neighbours=shared.vectors,
        knowledge=QuestionFacts(shared.redis, shared.keys, shared.exact, shared.reported, shared.refusals),
    )


def _lead_or_follow(
    settings: Settings,
    shared: _Shared,
    lookup: Lookup,
    turns: LLMTurns,
    llm: LLM,
    watched: Watch,
    clock: Clock,
) -> LeadOrFollow:
    asking = Asking(
        clock=clock,
        coalescer=shared.coalescer,
        turns=turns,
        llm=llm,
        outbound=shared.publisher,
        spare_stands=lookup.spare_stands,
        cached_for=min(settings.cache_ttl, settings.max_idle),
        stage=watched.stage,
    )
    return LeadOrFollow(
        lookup=lookup,
        coalescer=shared.coalescer,
        turns=turns,
        asking=asking,
        outbound=shared.publisher,
        check_schema=shared.schemas.mismatch,
        stage=watched.stage,
    )

"""Where the parts meet: settings come in, a service comes out. Nothing else knows both pipeline and adapters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from askonce.contract.keys import Keys
from askonce.tasks import stop
from askonce_worker.answering.asking import Asking
from askonce_worker.answering.chunk_job import ChunkJob
from askonce_worker.answering.lead_or_follow import LeadOrFollow
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.pipeline import Pipeline
from askonce_worker.answering.ports import Clock
from askonce_worker.cache.exact import ExactCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.logs.error_origin import place
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.redis.connection import connect_redis
from askonce_worker.redis.facts import EvictionWatch
from askonce_worker.settings import Settings
from askonce_worker.upkeep.housekeeping import Maintenance
from askonce_worker.wiring import parts, upkeep
from askonce_worker.wiring.observers import Watch, told, watch

log = structlog.get_logger()


BACKGROUND_PAUSE = 5.0
"""Seconds before what runs beside the jobs, and has failed, begins anew."""


@dataclass(frozen=True, slots=True)
class Service:
    """A wired worker. jobs: what arq runs. background: what runs beside the jobs until the worker ends.
    maintenance: what is done from time to time. watch: who looks at it.
    """

    jobs: ChunkJob
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...]
    maintenance: Maintenance
    watch: Watch


@asynccontextmanager
async def service(settings: Settings, *, worker: str, clock: Clock) -> AsyncIterator[Service]:
    """Everything a worker needs to answer chunks, open; closed at the end. Raises MetricsPortError."""
    keys, url = Keys(settings.key_prefix), settings.redis_url.get_secret_value()
    profile, watched, refusals = parts.matching_profile(settings), watch(settings), Refusals()
    async with AsyncExitStack() as stack:
        redis = connect_redis(url)
        stack.push_async_callback(redis.aclose)
        embedder = parts.embedder_of(settings, profile, watched, stack)
        reported = ReportedPairs(keys, refusals)
        exact = ExactCache(redis, keys, reported, refusals)
        matcher = Matcher(
            threshold=profile.threshold,
            max_chars=settings.semantic_max_chars,
            never=never_cached(settings.never_cache),
            reported=reported,
        )
        vectors = parts.semantic_of(settings, clock, stack)
        coalescer = parts.coalescer_of(settings, redis, keys, worker, reported)
        counts, budget = CallCounts(), parts.budget_of(settings, redis, keys)
        publisher = parts.publisher_of(settings, redis, keys, worker, counts, watched)
        lookup = Lookup(
            clock=clock,
            exact=exact,
            embedder=embedder,
            semantic=vectors or parts.NoSemanticCache(),
            matcher=matcher,
            outbound=publisher,
            stage=watched.stage,
        )
        turns = LLMTurns(parts.slots_of(settings), budget, watched.stage)
        asking = Asking(
            clock=clock,
            coalescer=coalescer,
            turns=turns,
            llm=parts.llm_of(settings, counts, budget, watched, stack),
            outbound=publisher,
            stage=watched.stage,
        )
        lead_or_follow = LeadOrFollow(
            lookup=lookup,
            coalescer=coalescer,
            turns=turns,
            asking=asking,
            outbound=publisher,
            stage=watched.stage,
        )
        pipeline = Pipeline(lookup, coalescer, lead_or_follow)
        background = [budget.watch, EvictionWatch(redis).run]
        if vectors is not None:
            outbox = parts.outbox_of(settings, keys, worker, vectors, embedder, exact, refusals, stack)
            background.append(outbox.run)
        await stack.enter_async_context(coalescer)
        stack.push_async_callback(publisher.aclose)
        house = upkeep.maintenance(settings, redis, keys, vectors, stack)
        await stack.enter_async_context(
            told(
                watched,
                settings,
                coalescer=coalescer,
                lead_or_follow=lead_or_follow,
                embedder=embedder,
                refusals=refusals,
            )
        )
        jobs = ChunkJob(pipeline, publisher, refusals, watched.around, log_prompts=settings.log_prompts)
        yield Service(jobs, tuple(background), house, watched)


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

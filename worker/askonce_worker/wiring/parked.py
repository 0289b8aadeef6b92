"""Wires the parts of parked questions: parking, and the work on batches."""

import random
from contextlib import AsyncExitStack
from dataclasses import dataclass

from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import Prices
from askonce_worker.answering.coalescing import Coalescer
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.ports import Clock, ExactCache, Outbound
from askonce_worker.cache.parked_vectors import QdrantParkedVectors
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.cache.qdrant_messages import collection_prefix
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.logs.redaction import Redactor
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.parked.arriving import Arriving
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.collecting import Collecting
from askonce_worker.parked.parking import BatchParking
from askonce_worker.parked.pauses import Pauses
from askonce_worker.parked.paying import Paying
from askonce_worker.parked.pending import Pending
from askonce_worker.parked.provider_api import BatchApi
from askonce_worker.parked.request_file import RequestFiles
from askonce_worker.parked.sending import Sending
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.sorting import Sorting
from askonce_worker.parked.splitting import Splitting
from askonce_worker.parked.store import ParkedStore
from askonce_worker.parked.sweeping import Sweeping
from askonce_worker.parked.tending import Tending
from askonce_worker.parked.tidying import Tidying
from askonce_worker.parked.twins import Twins
from askonce_worker.providers import provider
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.spend_limits import spend_limits
from askonce_worker.schemas.schemas import Schemas
from askonce_worker.settings import Settings
from askonce_worker.wiring.llm_parts import money_of, prices_of
from askonce_worker.wiring.parts import secret, waits_of

TIMEOUT = 60.0
"""Seconds of a request about a batch, and for which a file's next bytes are waited for."""


@dataclass(frozen=True, slots=True)
class Around:
    """The parts of a worker that parked questions need."""

    redis: Redis
    keys: Keys
    refusals: Refusals
    matcher: Matcher
    exact: ExactCache
    coalescer: Coalescer
    lookup: Lookup
    outbound: Outbound
    clock: Clock
    schemas: Schemas


def parked_of(settings: Settings, around: Around, stack: AsyncExitStack) -> tuple[BatchParking, Tending]:
    prices = prices_of(settings, settings.batch_base_url)
    money = money_of(settings, around.redis, around.keys, "batches", prices, stack)
    store = ParkedStore(
        around.redis,
        around.keys,
        around.refusals,
        result_ttl=settings.result_ttl,
        limits=spend_limits(settings.budgets),
        on_nearly_spent=money.warn,
    )
    margin, refuse = settings.batch_margin, around.schemas.refusal
    parking = BatchParking(store, around.coalescer, around.clock, margin=margin, refuse=refuse)
    return parking, _tending(settings, around, store, prices, money, stack)


@dataclass(frozen=True, slots=True)
class _Tools:
    """Shared by several of the parts."""

    store: ParkedStore
    batches: Batches
    settling: Settling
    pending: Pending
    splitting: Splitting
    pauses: Pauses
    twins: Twins
    arriving: Arriving


def _tending(
    settings: Settings, around: Around, store: ParkedStore, prices: Prices, money: MoneyBudget, stack: AsyncExitStack
) -> Tending:
    margin, clock = settings.batch_margin, around.clock
    batches = Batches(around.redis, around.keys, store, around.refusals, most=settings.batch_max_requests)
    twins = Twins(_vectors(settings, clock, stack))
    arriving = Arriving(around.redis, around.keys)
    check_schema = around.schemas.mismatch
    settling = Settling(
        store,
        around.outbound,
        around.matcher,
        twins,
        clock,
        arriving,
        prices=prices,
        money=money,
        check_schema=check_schema,
    )
    pending = Pending(around.exact, around.matcher, settling)
    splitting = Splitting(store, batches, settling, clock, margin=margin)
    tools = _Tools(store, batches, settling, pending, splitting, Pauses(random.random), twins, arriving)
    api, redactor = _api(settings, stack)
    return Tending(
        around.redis,
        around.keys,
        store,
        batches,
        sorting=_sorting(settings, tools, around),
        sending=_sending(settings, tools, api, money),
        collecting=_collecting(settings, tools, api, redactor),
        sweeping=Sweeping(store, batches, pending, settling, margin=margin),
        tidying=Tidying(batches, api, Pauses(random.random)),
        pauses=tools.pauses,
        locked=max(2.0, 1.5 * settings.lease),
    )


def _sorting(settings: Settings, tools: _Tools, around: Around) -> Sorting:
    return Sorting(
        store=tools.store,
        lookup=around.lookup,
        pending=tools.pending,
        matcher=around.matcher,
        twins=tools.twins,
        settling=tools.settling,
        clock=around.clock,
        arriving=tools.arriving,
        bounded=spend_limits(settings.budgets),
    )


def _sending(settings: Settings, tools: _Tools, api: BatchApi, money: MoneyBudget) -> Sending:
    most = settings.batch_max_requests
    paying = Paying(tools.store, tools.settling, money)
    return Sending(
        store=tools.store,
        batches=tools.batches,
        api=api,
        request_files=RequestFiles(tools.store, tools.batches, tools.pending, paying, most=most),
        splitting=tools.splitting,
        pauses=tools.pauses,
        wait=settings.batch_wait,
        most=most,
    )


def _collecting(settings: Settings, tools: _Tools, api: BatchApi, redactor: Redactor) -> Collecting:
    return Collecting(
        store=tools.store,
        batches=tools.batches,
        api=api,
        settling=tools.settling,
        splitting=tools.splitting,
        pauses=tools.pauses,
        redactor=redactor,
        margin=settings.batch_margin,
    )


def _api(settings: Settings, stack: AsyncExitStack) -> tuple[BatchApi, Redactor]:
    key = secret(settings.batch_api_key or settings.openai_api_key) or "none"
    url = settings.batch_base_url or settings.openai_base_url
    client = provider.connect(api_key=key, base_url=url, timeout=TIMEOUT)
    files = provider.connect(api_key=key, base_url=url, timeout=TIMEOUT, most=None)
    api = BatchApi(client, files)
    stack.push_async_callback(api.close)
    return api, client.redactor


def _vectors(settings: Settings, clock: Clock, stack: AsyncExitStack) -> QdrantParkedVectors | None:
    if settings.qdrant_url is None:
        return None
    client = QdrantChannel(settings.qdrant_url.get_secret_value(), api_key=secret(settings.qdrant_api_key))
    prefix = f"{settings.key_prefix}-parked"
    cache = QdrantSemanticCache(
        client,
        embedding_model=settings.embedding_model,
        now=lambda: clock.now_ms() / 1000,
        prefix=prefix,
        waits=waits_of(settings),
    )
    stack.push_async_callback(cache.close)
    return QdrantParkedVectors(client, cache, collection_prefix(prefix, settings.embedding_model))

"""Builds the parts that call the LLM and count its cost, from the settings."""

import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.load import Prices, load_prices
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.ports import LLM
from askonce_worker.providers import provider
from askonce_worker.providers.additions import Additions, takes_cache_keys
from askonce_worker.providers.allowance import Allowance
from askonce_worker.providers.by_endpoint import ByEndpoint
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.embedding_answers import EmbeddingAnswers
from askonce_worker.providers.key_budget import KeyBudget
from askonce_worker.providers.llm import OpenAILLM
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.others_budgets import OthersBudgets
from askonce_worker.providers.rate_budget import RateBudget, provider_name
from askonce_worker.providers.retry import Backoff
from askonce_worker.providers.spend_limits import spend_limits
from askonce_worker.schemas.repairing import RepairingLLM
from askonce_worker.schemas.schemas import Schemas
from askonce_worker.settings import Settings
from askonce_worker.wiring.observers import Watch
from askonce_worker.wiring.parts import EMBEDDING_TIMEOUT, connect_embeddings, secret, slots_of

log = structlog.get_logger()


def rates_of(settings: Settings, redis: Redis, keys: Keys) -> RateBudget:
    return RateBudget(redis, keys, provider=provider_name(settings.openai_base_url), rpm=settings.rpm, tpm=settings.tpm)


def money_of(
    settings: Settings, redis: Redis, keys: Keys, worker: str, prices: Prices, stack: AsyncExitStack
) -> MoneyBudget:
    others, limits = OthersBudgets(redis, keys), spend_limits(settings.budgets)
    money = MoneyBudget(redis, keys, worker=worker, limits=limits, prices=prices, others=others)
    stack.push_async_callback(others.aclose)
    stack.push_async_callback(money.aclose)
    return money


def with_keys(money: MoneyBudget, stack: AsyncExitStack) -> KeyBudget:
    """One budget for all endpoints, because the call uses what is reserved before its turn."""
    keys = KeyBudget(money)
    stack.push_async_callback(keys.aclose)
    return keys


def turns_of(settings: Settings, rates: RateBudget, money: KeyBudget, watched: Watch) -> LLMTurns:
    allowance = Allowance(rates, money, seconds=max(settings.llm_timeout, settings.flex_timeout))
    return LLMTurns(slots_of(settings), allowance, watched.stage)


def prices_of(settings: Settings, base_url: str | None = None) -> Prices:
    """The prices of the LLM's provider, or of the one at this URL."""
    path = None if settings.prices is None else str(settings.prices)
    return load_prices(path, base_url=base_url or settings.openai_base_url)


def with_cache_keys(settings: Settings) -> bool:
    """Whether requests have a `prompt_cache_key`."""
    if settings.prompt_cache_key == "auto":
        return takes_cache_keys(settings.openai_base_url)
    return settings.prompt_cache_key == "always"


def _on_retry(watched: Watch) -> Callable[[str, float, str], None]:
    def on_retry(kind: str, pause: float, model: str) -> None:
        log.warning("llm.retry", kind=kind, seconds=round(pause, 2))
        watched.retried(kind, model)

    return on_retry


def by_endpoint(
    settings: Settings,
    llm: LLM,
    counts: CallCounts,
    rates: RateBudget,
    money: KeyBudget,
    watched: Watch,
    stack: AsyncExitStack,
) -> ByEndpoint:
    """Embeddings come from the same server as the worker's own."""
    embeddings = EmbeddingAnswers(
        connect_embeddings(settings, stack),
        timeout=EMBEDDING_TIMEOUT,
        backoff=Backoff(random.random),
        money=money,
        counts=counts,
        on_retry=_on_retry(watched),
        on_rate_limit=rates.pause,
        on_call=watched.on_call,
    )
    stack.push_async_callback(embeddings.aclose)
    return ByEndpoint(llm, embeddings)


def llm_of(
    settings: Settings,
    counts: CallCounts,
    rates: RateBudget,
    money: KeyBudget,
    schemas: Schemas,
    watched: Watch,
    stack: AsyncExitStack,
) -> RepairingLLM:
    client = provider.connect(
        api_key=secret(settings.openai_api_key) or "none",
        base_url=settings.openai_base_url,
        timeout=max(settings.llm_timeout, settings.flex_timeout),
    )
    stack.push_async_callback(client.close)
    llm = OpenAILLM(
        client,
        timeout=settings.llm_timeout,
        flex_timeout=settings.flex_timeout,
        backoff=Backoff(random.random),
        additions=Additions(cache_keys=with_cache_keys(settings), clock=time.monotonic),
        money=money,
        on_retry=_on_retry(watched),
        on_rate_limit=rates.pause,
        counts=counts,
        on_call=watched.on_call,
    )
    return RepairingLLM(llm, check_schema=schemas.mismatch, refuse=schemas.refusal, on_repair=watched.retried)

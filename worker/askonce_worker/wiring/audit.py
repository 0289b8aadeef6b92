"""Where the parts of auditing meet: with a budget of errors, or a rate of checks; else nothing of it is there."""

import random
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from arq.cron import CronJob, cron
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.ports import LLM, Finished, Outbound
from askonce_worker.answering.serving import FirstMatch, Serving
from askonce_worker.audit.deciding import PERIOD, Terms, first_policy
from askonce_worker.audit.policy import Policy
from askonce_worker.audit.scale import WIDEST
from askonce_worker.auditing.auditor import Auditor
from askonce_worker.auditing.deciding import Decisions
from askonce_worker.auditing.judge import TIMEOUT, Judge
from askonce_worker.auditing.judge_ledger import JudgeLedger
from askonce_worker.auditing.late_checks import LateChecks
from askonce_worker.auditing.policies import DecidedPolicies, OnePolicy, Policies
from askonce_worker.auditing.ports import NoJudge
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.records import StoredRecords
from askonce_worker.auditing.serving import AuditedServing
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.providers import provider
from askonce_worker.providers.additions import Additions
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.llm import OpenAILLM
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.retry import Backoff
from askonce_worker.settings import Settings, matching_threshold
from askonce_worker.upkeep.housekeeping import periodic
from askonce_worker.wiring import llm_parts, parts

log = structlog.get_logger()


def is_audited(settings: Settings) -> bool:
    return settings.qdrant_url is not None and (settings.error_budget or settings.audit_rate) is not None


def searched_from(settings: Settings) -> float | None:
    """The least cosine that is looked for: a policy may serve what the profile would not."""
    return 1 - WIDEST if is_audited(settings) and settings.error_budget else matching_threshold(settings)


def matcher_of(settings: Settings, threshold: float | None, reported: ReportedPairs) -> Matcher:
    never = never_cached(settings.never_cache)
    return Matcher(threshold=threshold, max_chars=settings.semantic_max_chars, never=never, reported=reported)


@dataclass(frozen=True, slots=True)
class Audit:
    """serving: what Lookup asks. background, periodic: what runs beside the jobs."""

    serving: Serving
    background: dict[str, Callable[[], Coroutine[Any, Any, None]]]
    periodic: Sequence[CronJob]


def audit(
    settings: Settings,
    redis: Redis,
    keys: Keys,
    vectors: QdrantSemanticCache | None,
    matcher: Matcher,
    refusals: Refusals,
    *,
    worker: str,
    turns: LLMTurns,
    llm: LLM,
    outbound: Outbound,
    on_published: list[Callable[[list[Finished]], None]],
    stack: AsyncExitStack,
) -> Audit:
    """on_published: gets one more."""
    if not is_audited(settings) or vectors is None:
        return Audit(FirstMatch(matcher), {}, ())
    budget, profile = settings.error_budget, matching_threshold(settings)
    policies = _policies(settings, redis, keys, refusals)
    judge = _judge(settings, redis, keys, stack)
    recorder = Recorder(redis, keys, worker=worker, period=PERIOD if budget else 0)
    late = LateChecks(turns, llm, outbound, tier=settings.bulk_tier)
    stack.push_async_callback(recorder.aclose)
    stack.push_async_callback(late.aclose)
    on_published.append(Auditor(recorder, policies, judge, late).published)
    serving = AuditedServing(
        matcher, policies, judge, profile=profile, misses=budget is not None, bulk_tier=settings.bulk_tier
    )
    background = {"audit": recorder.run}
    if isinstance(judge, Judge):
        background["judge"] = judge.run
    jobs = [] if budget is None else _jobs(redis, keys, vectors, refusals, Terms(budget, profile))
    return Audit(serving, background, jobs)


def _jobs(redis: Redis, keys: Keys, vectors: QdrantSemanticCache, refusals: Refusals, terms: Terms) -> list[CronJob]:
    decisions = Decisions(redis, keys, StoredRecords(redis, keys, vectors, refusals), refusals, terms=terms)
    return [
        cron(periodic(decisions.run), name="decide", second=set(range(60))),
        cron(periodic(decisions.forget), name="forget_groups", minute=7),
    ]


def _judge(settings: Settings, redis: Redis, keys: Keys, stack: AsyncExitStack) -> Judge | NoJudge:
    if not settings.judge_model:
        return NoJudge()
    prices = llm_parts.prices_of(settings)
    if prices.cost(settings.judge_model, {"prompt_tokens": 1, "completion_tokens": 1}) is None:
        log.warning("judge.unpriced", model=settings.judge_model, assumed="1 for a million tokens in, 4 out")
    client = provider.connect(
        api_key=parts.secret(settings.openai_api_key) or "none",
        base_url=settings.openai_base_url,
        timeout=TIMEOUT,
    )
    stack.push_async_callback(client.close)
    llm = OpenAILLM(
        client,
        timeout=TIMEOUT,
        flex_timeout=TIMEOUT,
        backoff=Backoff(random.random, tries=1),  # a call is reserved once
        additions=Additions(cache_keys=False, clock=time.monotonic),
        money=MoneyBudget(redis, keys, worker="judge", limits={}, prices=prices),  # it has a bound of its own
        counts=CallCounts(prices),
    )
    ledger = JudgeLedger(redis, keys, budget=settings.audit_budget)
    return Judge(llm, ledger, prices, model=settings.judge_model)


def _policies(settings: Settings, redis: Redis, keys: Keys, refusals: Refusals) -> Policies:
    profile, rate = matching_threshold(settings), settings.audit_rate
    if settings.error_budget is None:
        return OnePolicy(Policy(version=0, threshold=profile, chance=rate or 1.0))
    first = first_policy(Terms(settings.error_budget, profile))
    return DecidedPolicies(redis, keys, refusals, first=first, least=rate or 0.0)

"""Wires the parts of auditing, which exist only with an error budget or an audit rate."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import structlog
from arq.cron import CronJob, cron
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.answering.gate import Admission, Gate, JudgedMatches, NoGate
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.ports import LLM, Clock, Finished, Outbound
from askonce_worker.answering.serving import FirstMatch, Serving
from askonce_worker.audit.deciding import PERIOD, Terms, first_policy
from askonce_worker.audit.policy import Policy
from askonce_worker.audit.scale import WIDEST
from askonce_worker.auditing.auditor import Auditor
from askonce_worker.auditing.deciding import Decisions
from askonce_worker.auditing.judge import Judge
from askonce_worker.auditing.late_checks import LateChecks
from askonce_worker.auditing.match_feed import MatchFeed
from askonce_worker.auditing.policies import DecidedPolicies, OnePolicy, Policies
from askonce_worker.auditing.ports import Judging, NoJudge
from askonce_worker.auditing.recorder import Recorder
from askonce_worker.auditing.records import StoredRecords
from askonce_worker.auditing.serving import AuditedServing
from askonce_worker.cache.semantic import QdrantSemanticCache
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.matching.match import Matcher
from askonce_worker.matching.never_cache import never_cached
from askonce_worker.setting_needs import is_audited, is_gated, without_effect
from askonce_worker.settings import Settings, matching_threshold
from askonce_worker.upkeep.housekeeping import periodic
from askonce_worker.wiring.judge import judge_parts

log = structlog.get_logger()


def _terms(settings: Settings, budget: float) -> Terms:
    return Terms(budget, matching_threshold(settings), is_gated(settings))


def searched_from(settings: Settings) -> float | None:
    """The minimum cosine to search for: a policy may serve matches that the profile would not."""
    return 1 - WIDEST if is_audited(settings) and settings.error_budget else matching_threshold(settings)


def matcher_of(settings: Settings, threshold: float | None, reported: ReportedPairs) -> Matcher:
    never = never_cached(settings.never_cache)
    return Matcher(threshold=threshold, max_chars=settings.semantic_max_chars, never=never, reported=reported.has)


@dataclass(frozen=True, slots=True)
class Audit:
    """serving: what Lookup asks. background, periodic: run alongside the jobs. admission: the judge as a gate."""

    serving: Serving
    background: dict[str, Callable[[], Coroutine[Any, Any, None]]]
    periodic: Sequence[CronJob]
    admission: Admission | None = None

    def gate(self, lookup: Lookup, outbound: Outbound, clock: Clock) -> Gate:
        """The gate in front of the LLM."""
        return NoGate() if self.admission is None else JudgedMatches(self.admission, lookup, outbound, clock)


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
    clock: Clock,
    on_published: list[Callable[[list[Finished]], None]],
    stack: AsyncExitStack,
) -> Audit:
    """on_published: gets more of them."""
    if (off := without_effect(settings)) is not None:
        log.warning("audit.off", settings=off[0], reason=off[1])
    if not is_audited(settings) or vectors is None:
        return _with_feed(Audit(FirstMatch(matcher), {}, ()), settings, redis, keys, matcher, on_published, stack)
    budget = settings.error_budget
    policies = _policies(settings, redis, keys, refusals)
    judges = judge_parts(settings, redis, keys, stack)
    judge = NoJudge() if judges is None else judges.judge()
    recorder = Recorder(redis, keys, worker=worker, period=PERIOD if budget else 0, on_groups=policies.note)
    late = LateChecks(turns, llm, outbound, clock, tier=settings.bulk_tier)
    stack.push_async_callback(recorder.aclose)
    stack.push_async_callback(late.aclose)
    on_published.append(Auditor(recorder, policies, judge, late).published)
    serving = _serving(settings, matcher, policies, judge)
    background = {"audit": recorder.run}
    gate = judges.gate(serving, recorder) if judges is not None and is_gated(settings) else None
    if isinstance(judge, Judge):
        background["judge"] = judge.run
    if gate is not None:
        background["gate"] = gate.run
    jobs = [] if budget is None else _jobs(redis, keys, vectors, refusals, _terms(settings, budget))
    audited = Audit(serving, background, jobs, gate)
    return _with_feed(audited, settings, redis, keys, matcher, on_published, stack)


def _with_feed(
    audited: Audit,
    settings: Settings,
    redis: Redis,
    keys: Keys,
    matcher: Matcher,
    on_published: list[Callable[[list[Finished]], None]],
    stack: AsyncExitStack,
) -> Audit:
    """Adds the feed of matches for people to review, unless a setting keeps no texts."""
    if not settings.matches_kept or not matcher.is_semantic:
        return audited
    feed = MatchFeed(redis, keys, matcher, audited.serving, most=settings.matches_kept)
    stack.push_async_callback(feed.aclose)
    on_published.append(feed.published)
    return replace(audited, background={**audited.background, "matches": feed.run})


def _serving(settings: Settings, matcher: Matcher, policies: Policies, judge: Judging) -> AuditedServing:
    return AuditedServing(
        matcher,
        policies,
        judge,
        profile=matching_threshold(settings),
        misses=settings.error_budget is not None,
        bulk_tier=settings.bulk_tier,
        gated=is_gated(settings),
    )


def _jobs(redis: Redis, keys: Keys, vectors: QdrantSemanticCache, refusals: Refusals, terms: Terms) -> list[CronJob]:
    decisions = Decisions(redis, keys, StoredRecords(redis, keys, vectors, refusals), refusals, terms=terms)
    return [
        cron(periodic(decisions.run), name="decide", second=set(range(60))),
        cron(periodic(decisions.forget), name="forget_groups", minute=7),
    ]


def _policies(settings: Settings, redis: Redis, keys: Keys, refusals: Refusals) -> Policies:
    profile, rate = matching_threshold(settings), settings.audit_rate
    if settings.error_budget is None:
        return OnePolicy(Policy(version=0, threshold=profile, chance=rate or 1.0))
    first = first_policy(_terms(settings, settings.error_budget))
    return DecidedPolicies(redis, keys, refusals, first=first, least=rate or 0.0)

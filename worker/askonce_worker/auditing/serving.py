"""Serves questions under their group's policy: the nearest candidate that no rule vetoes, if its score is high
enough."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import structlog

from askonce.contract.audit import group_id
from askonce.explanation import InForce
from askonce.question import Question, Tier
from askonce_worker.answering.ports import Vector
from askonce_worker.answering.serving import NOTHING, Choice, Doubt, Hit
from askonce_worker.answering.tiers import tier_of
from askonce_worker.audit.comparing import is_plain, text_of_answer
from askonce_worker.audit.judging import fits
from askonce_worker.audit.looks import Look, draw
from askonce_worker.audit.matches import PLAIN, Matches, among
from askonce_worker.audit.policy import Policy, Verdict
from askonce_worker.audit.scale import COSINE, bins_of
from askonce_worker.auditing.policies import Policies, TakenPolicies
from askonce_worker.auditing.ports import Judging
from askonce_worker.matching.match import Matcher, Reuse

log = structlog.get_logger()

NEVER = 2.0
"""No cosine reaches it."""
NEAR, MIDDLE, FAR = 0.5, 0.2, 0.05
"""The chance with which a match that is no hit is put to the judge: near the threshold, where that is not told by the
cosine, and far from it."""
NEAR_BINS = 6
"""Of the ledger, below the threshold."""


class AuditedServing:
    """matcher: its threshold is the least cosine that is looked for. profile: from which cosine on the profile of the
    embedding model serves; None: never. misses: whether matches that are no hits are looked at, too. bulk_tier: of bulk
    questions that name none. gated: whether a judge is asked about some of them."""

    def __init__(
        self,
        matcher: Matcher,
        policies: Policies,
        judging: Judging,
        *,
        profile: float | None,
        misses: bool,
        bulk_tier: Tier,
        gated: bool = False,
    ) -> None:
        self._matcher = matcher
        self._policies = policies
        self._judging = judging
        self._profile = profile
        self._misses = misses
        self._bulk_tier: Tier = bulk_tier
        self._gated = gated

    async def prepare(self, questions: Sequence[Question]) -> "AuditedServing":
        groups = {group_of(question) for question in questions}
        await self._policies.refresh(groups)
        return AuditedServing(
            self._matcher,
            TakenPolicies({group: self._policies.of(group) for group in groups}),
            self._judging,
            profile=self._profile,
            misses=self._misses,
            bulk_tier=self._bulk_tier,
            gated=self._gated,
        )

    def needs_vectors(self, question: Question) -> bool:
        return self._policies.of(group_of(question)).weights is not None

    def joins(self, question: Question, reuse: Reuse) -> float:
        """Joins are not checked, so they are never looser than the profile, nor than what is checked."""
        profile, policy = self._profile, self._policies.of(group_of(question))
        if profile is None or policy.threshold is None:
            return NEVER
        return max(reuse.threshold, profile, policy.threshold if policy.weights is None else profile)

    def choose(self, question: Question, lane: str, vector: Vector, found: Sequence[Hit]) -> Choice:
        """If an entry is malformed, the question is asked: it must not fail its chunk."""
        try:
            return self._chosen(question, lane, vector, found)
        except Exception:
            log.exception("audit.not_chosen", fingerprint=question.fingerprint)
            return NOTHING

    def _chosen(self, question: Question, lane: str, vector: Vector, found: Sequence[Hit]) -> Choice:
        matches = self._matcher.matches
        near = (rank for rank, hit in enumerate(found) if matches(question, hit.entry.question, hit.similarity))
        rank = next(near, None)
        policy = self._policies.of(group_of(question))
        look = None if rank is None else _look_at(found, rank, vector, policy)
        if rank is None or look is None:
            return NOTHING
        verdict = policy.verdicts(np.array([look.score]), np.array([_draw_of(question)]))[0]
        if verdict is Verdict.SERVE:
            return Choice(found[rank])
        if verdict is Verdict.CHECK:
            return self._checked(question, found[rank], look, lane)
        missed = self._missed(question, look, policy)
        if self._gated and policy.gate is not None and look.score >= policy.gate:
            return replace(missed, doubt=Doubt(found[rank], replace(look, gate=True)))
        return missed

    def admitted(self, question: Question, lane: str, doubt: Doubt) -> Choice:
        """A match accepted by the judge. Like any other hit, it may be checked."""
        if _draw_of(question) < doubt.look.chance:
            return self._checked(question, doubt.hit, doubt.look, lane)
        return Choice(doubt.hit)

    def in_force(self, question: Question, reuse: Reuse) -> InForce:
        policy = self._policies.of(group_of(question))
        threshold = policy.threshold
        if threshold is not None and policy.weights is None:
            threshold = max(threshold, reuse.threshold)
        scorer = "cosine" if policy.weights is None else "learnt"
        return InForce(threshold, scorer, policy.version, policy.chance)

    def scores(self, question: Question, vector: Vector, found: Sequence[Hit]) -> list[float | None]:
        policy = self._policies.of(group_of(question))
        if policy.weights is None:
            return [None] * len(found)
        looks = [_look_at(found, rank, vector, policy) for rank in range(len(found))]
        return [None if look is None else look.score for look in looks]

    def _checked(self, question: Question, hit: Hit, look: Look, lane: str) -> Choice:
        """If the result could not be judged, the LLM is not asked: the hit waits for a person's verdict. A hit whose
        check would wait for a provider batch is served and checked at once, because hours later the check would say
        nothing about the current policy."""
        if not self._is_comparable(question, look):
            return Choice(hit, replace(look, found="served", comparable=False))
        if lane == "interactive" or tier_of(question, lane, self._bulk_tier) == "batch":
            return Choice(hit, replace(look, found="late"))
        return Choice(None, look, spare=hit)

    def _missed(self, question: Question, look: Look, policy: Policy) -> Choice:
        """The question is asked anyway. Matches that need a judge are examined less often."""
        if not self._misses:
            return NOTHING
        missed = replace(look, found="miss", comparable=self._is_comparable(question, look), chance=1.0)
        if missed.comparable and not is_plain(look.body):
            missed = replace(missed, chance=_chance_of_judging(look, policy))
        drawn = draw("miss", question.namespace or "", question.job_id or "") < missed.chance
        return Choice(None, missed) if drawn else NOTHING

    def _is_comparable(self, question: Question, look: Look) -> bool:
        if is_plain(look.body):
            return True
        return self._judging.is_open and fits(question.prompt(), text_of_answer(look.body))


def _draw_of(question: Question) -> float:
    return draw("check", question.namespace or "", question.job_id or "")


def group_of(question: Question) -> str:
    return group_id(question.namespace or "", question.model or "", question.template)


def _look_at(found: Sequence[Hit], rank: int, vector: Vector, policy: Policy) -> Look | None:
    """None if its score needs a vector that is missing."""
    hit, (margin, density) = found[rank], among([each.similarity for each in found], rank)
    entry = hit.entry
    other = vector if policy.weights is None or hit.vector is None else hit.vector
    if policy.weights is not None:
        sizes = {len(vector), 0 if hit.vector is None else len(hit.vector), len(policy.weights) - PLAIN}
        if len(sizes) > 1:
            return None
    cosine, margins, densities = (np.array([number]) for number in (hit.similarity, margin, density))
    [score] = policy.scores(Matches(cosine, margins, densities, vector[None], other[None]))
    return Look(
        question=vector,
        found="check",
        comparable=True,
        entry=entry.fingerprint,
        matched=entry.question,
        body=entry.body,
        epochs=entry.epochs,
        similarity=hit.similarity,
        margin=margin,
        density=density,
        score=float(score),
        version=policy.version,
        bin=int(bins_of([hit.similarity], COSINE)[0]),
        chance=policy.chance,
    )


def _chance_of_judging(look: Look, policy: Policy) -> float:
    """More labels are useful near where the threshold may move next."""
    if policy.threshold is None or policy.weights is not None:
        return MIDDLE
    return NEAR if look.bin - int(bins_of([policy.threshold], COSINE)[0]) <= NEAR_BINS else FAR

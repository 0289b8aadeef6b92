"""Decides a group's next policy from its ledger and records. The job runs once every `PERIOD` requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from askonce_worker.audit.gate import gate_from, gate_share
from askonce_worker.audit.judge_errors import NOT_MEASURED, JudgeErrors
from askonce_worker.audit.learning import Learnt, learn
from askonce_worker.audit.ledger import Slice, sums_of
from askonce_worker.audit.policy import Policy
from askonce_worker.audit.records import Records
from askonce_worker.audit.scale import BINS, COSINE, Edges, bins_of, quantile_edges
from askonce_worker.audit.threshold import MOST, Choice, chance_of_a_check, choose

PERIOD = 250
"""Requests of a group between two decisions."""
LEAST_LABELS = 60
LEAST_REQUESTS = 1000
"""Below either, the group is served by the threshold in the embedding model's profile."""
LEAST_KEPT = 0.5
"""Share of a slice's labels, by weight, that must have records. With fewer, its hits by learnt score are unknown."""
MORE = 1.03
"""A learnt scorer must promise at least this many times the hits of the cosine."""


@dataclass(frozen=True, slots=True)
class Terms:
    """budget: the share of the requests that may get a wrong cached answer. profile: the threshold in the embedding
    model's profile; None if it has none. gate: whether a judge may let matches serve."""

    budget: float
    profile: float | None
    gate: bool = False


def first_policy(terms: Terms) -> Policy:
    """The policy of a new group."""
    return _with_gate(Policy(version=0, threshold=terms.profile, chance=MOST), terms, 0.0)


def decide(
    before: Policy, slices: Sequence[Slice], records: Records, terms: Terms, judge: JudgeErrors = NOT_MEASURED
) -> Policy:
    """The policy that follows `before`. slices: the compacted ledger."""
    requests = sum(part.requests for part in slices)
    labels = sum(float(part.sums[:, :, 0].sum()) for part in slices)
    version = before.version + 1
    gate = gate_share(slices, terms.budget) if terms.gate else None
    if labels < LEAST_LABELS or requests < LEAST_REQUESTS:
        return _with_gate(Policy(version, terms.profile, MOST), terms, gate)
    if gate:
        terms = replace(terms, budget=terms.budget - gate)
    chance = chance_of_a_check(terms.budget, requests)
    choice = choose(slices, COSINE, terms.budget, judge=judge)
    learnt = learn(records)
    if learnt is not None:
        better = _choice_of(learnt, slices, records, terms, judge)
        if better.promised >= MORE * choice.promised and better.threshold is not None:
            return _with_gate(Policy(version, better.threshold, chance, learnt.weights), terms, gate)
    return _with_gate(Policy(version, choice.threshold, chance), terms, gate)


def _with_gate(policy: Policy, terms: Terms, share: float | None) -> Policy:
    """share: of the requests, that the gate's hits may answer wrongly; None if the gate is closed."""
    return replace(policy, gate=gate_from(policy)) if terms.gate and share is not None else policy


def _choice_of(learnt: Learnt, slices: Sequence[Slice], records: Records, terms: Terms, judge: JudgeErrors) -> Choice:
    edges = quantile_edges(learnt.scores, records.weight)
    known, kept = _by_score(learnt, slices, records, edges)
    return choose(known, edges, terms.budget, kept=kept, judge=judge)


def _by_score(learnt: Learnt, slices: Sequence[Slice], records: Records, edges: Edges) -> tuple[list[Slice], float]:
    """The ledger with its labels binned by learnt score, and the lowest share of a slice's labels that has records.

    There are fewer records than labels. Each slice's records stand for all of its labels; a slice that has lost most of
    them is left out, with its requests. The learnt scores of matches without a label are unknown, so all of them are
    put into the top bin.
    """
    bins = bins_of(learnt.scores, edges)
    firsts = [part.first for part in slices]
    of_slice = np.searchsorted(firsts, records.version, side="right") - 1
    found, least = [], 1.0
    for at, part in enumerate(slices):
        chosen = of_slice == at
        labelled = float(part.sums[:, :, 1].sum())
        kept = min(1.0, float(records.weight[chosen].sum()) / labelled) if labelled else 1.0
        if kept < LEAST_KEPT:
            continue
        sums = sums_of(bins[chosen], records.right[chosen], records.weight[chosen] / kept)
        unknown = np.zeros_like(part.unknown)
        unknown[0] = part.unknown.sum()
        of_judge = chosen & records.judged
        judged = np.bincount(bins[of_judge], records.weight[of_judge] / kept, BINS).astype(np.float64)
        found.append(Slice(part.first, part.requests, sums, unknown, judged))
        least = min(least, kept)
    return found, least

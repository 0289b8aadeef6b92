"""Replays a stream through the code that decides in production: policies, ledger, records, estimate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.deciding import PERIOD, Terms, decide, first_policy
from askonce_worker.audit.ledger import Fields, Slice, add_up, compact, fields_of, slices_of, sums_of
from askonce_worker.audit.policy import Policy, Verdict, decode_policy, encode_policy
from askonce_worker.audit.rate import Seen
from askonce_worker.audit.records import KEPT, Records
from askonce_worker.audit.scale import COSINE, bins_of
from askonce_worker.evaluate.stream.lookups import Lookups


@dataclass(frozen=True, slots=True)
class Period:
    """Consecutive requests under one policy. seen: what their checks found."""

    policy: Policy
    requests: int
    seen: Seen


@dataclass(frozen=True, slots=True)
class Played:
    """served, checked: one flag per request. A checked request got the LLM's answer. Exact hits are never checked."""

    served: NDArray[np.bool_]
    checked: NDArray[np.bool_]
    periods: list[Period]


def play(lookups: Lookups, terms: Terms, random: np.random.Generator, *, learns: bool = True) -> Played:
    """learns: whether the learnt scorer takes part. Every question that goes to the LLM is labelled at once."""
    group = _Group(lookups, terms, random)
    periods = []
    for start in range(0, len(lookups), PERIOD):
        now = slice(start, min(start + PERIOD, len(lookups)))
        periods.append(group.requests(now))
        group.decide(now.stop, learns=learns)
    return Played(group.served, group.checked, periods)


class _Group:
    """The worker and the deciding job of the stream's only group."""

    def __init__(self, lookups: Lookups, terms: Terms, random: np.random.Generator) -> None:
        self._lookups = lookups
        self._terms = terms
        self._random = random
        self._policy = first_policy(terms)
        self._ledger: Fields = {}
        self._version = np.zeros(len(lookups), np.intp)
        self._weight = np.zeros(len(lookups))
        self._matched = ~np.isnan(lookups.matches.cosine) & ~lookups.exact
        self.served = np.zeros(len(lookups), np.bool_)
        self.checked = np.zeros(len(lookups), np.bool_)

    def requests(self, now: slice) -> Period:
        policy = self._policy
        matches, right, matched = self._lookups.matches.part(now), self._lookups.right[now], self._matched[now]
        verdicts = policy.verdicts(policy.scores(matches), self._random.random(len(matches)))
        hits = matched & [verdict is Verdict.SERVE for verdict in verdicts]
        checked = self.checked[now] = matched & [verdict is Verdict.CHECK for verdict in verdicts]
        self.served[now] = hits | self._lookups.exact[now]
        self._version[now] = policy.version
        self._weight[now] = [policy.weight(verdict) for verdict in verdicts]
        self._record(now)
        return Period(policy, len(verdicts), _seen(policy, right, hits, checked))

    def _record(self, now: slice) -> None:
        known = self._matched[now] & ~self.served[now]
        bins = bins_of(self._lookups.matches.cosine[now][known], COSINE)
        sums = sums_of(bins, self._lookups.right[now][known], self._weight[now][known])
        worked = Slice(self._policy.version, now.stop - now.start, sums)
        self._ledger = add_up([self._ledger, fields_of(worked)])

    def decide(self, until: int, *, learns: bool) -> None:
        slices = compact(slices_of(self._ledger))
        self._ledger = add_up(map(fields_of, slices))
        records = self._records(until if learns else 0)
        record = encode_policy(decide(self._policy, slices, records, self._terms))
        self._policy = decode_policy("policy", record)

    def _records(self, until: int) -> Records:
        at = np.flatnonzero(self._matched[:until] & ~self.served[:until])[-KEPT:]
        lookups = self._lookups
        judged = np.zeros(len(at), np.bool_)  # the truth is known
        return Records(lookups.matches.part(at), self._version[at], lookups.right[at], self._weight[at], judged)


def _seen(policy: Policy, right: NDArray[np.bool_], served: NDArray[np.bool_], checked: NDArray[np.bool_]) -> Seen:
    """All checks of a replay are made before a hit is served."""
    stands_for = (1 - policy.chance) / policy.chance
    checks, wrong = float(checked.sum()), float((checked & ~right).sum())
    return Seen(
        answered=len(right),
        unchecked=float(served.sum()),
        checks=checks,
        stood_for=checks * stands_for,
        squares=checks * stands_for**2,
        wrong=wrong * stands_for,
        wrong_squares=wrong * stands_for**2,
    )

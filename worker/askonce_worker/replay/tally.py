"""Sums over calls: those of a group, of a period, or all."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from askonce_worker.replay.money import Cost
from askonce_worker.replay.world import Kind, Outcome

STEPS_OF_TEN = 20
"""Steps per power of ten on the latencies' scale: a step is 12 %."""


@dataclass
class Latencies:
    """How long calls took, counted in logarithmic steps: a million calls take no more memory than ten."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float) -> None:
        self.counts[round(STEPS_OF_TEN * math.log10(max(seconds, 0.001)))] += 1

    def quantile(self, share: float) -> float | None:
        """Seconds, within 6 %; None if nothing was measured."""
        left = share * sum(self.counts.values())
        for step, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return float(10 ** (step / STEPS_OF_TEN))
        return None


@dataclass
class Judged:
    """Matches that the log's answers could judge, and those of them that were wrong."""

    matches: int = 0
    wrong: int = 0

    def add(self, right: bool | None) -> None:
        if right is not None:
            self.matches += 1
            self.wrong += not right


class Played(NamedTuple):
    """A call and its outcome in each world.

    rights: for each world's match of two different questions, whether the answers show it to be right; None if they
    cannot. repeat: the same for a match of the same question.
    """

    outcomes: list[Outcome]
    rights: list[bool | None]
    repeat: bool | None
    cost: Cost
    seconds: float | None


@dataclass
class Tally:
    """Sums over some calls. Money is in billionths.

    by_tier: the misses' cost at each tier. hits_at, judged_at, matched_at: by world. matched_at: hits by a different
    question. repeats: hits by the same question.
    """

    worlds: int
    calls: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    spent: int = 0
    saved: int = 0
    by_tier: list[int] = field(default_factory=list)
    unpriced: int = 0
    seconds: float = 0.0
    seconds_saved: float = 0.0
    timed: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    repeats: Judged = field(default_factory=Judged)
    hits_at: list[int] = field(init=False)
    matched_at: list[int] = field(init=False)
    judged_at: list[Judged] = field(init=False)

    def __post_init__(self) -> None:
        self.hits_at = [0] * self.worlds
        self.matched_at = [0] * self.worlds
        self.judged_at = [Judged() for _ in range(self.worlds)]

    def add(self, played: Played, main: int) -> None:
        outcome = played.outcomes[main]
        self.calls += 1
        self.kinds[outcome.kind] += 1
        for at, each in enumerate(played.outcomes):
            self.hits_at[at] += each.kind is not Kind.miss
            self.matched_at[at] += each.other
            self.judged_at[at].add(played.rights[at])
        self.repeats.add(played.repeat)
        self._add_cost(played.cost, hit=outcome.kind is not Kind.miss)
        if played.seconds is not None:
            self._add_time(played.seconds, outcome)

    @property
    def hits(self) -> int:
        return self.calls - self.kinds[Kind.miss]

    def _add_cost(self, cost: Cost, *, hit: bool) -> None:
        if cost.paid is None:
            self.unpriced += 1
            return
        self.spent += cost.paid
        self.saved += cost.paid if hit else 0
        if not self.by_tier:
            self.by_tier = [0] * len(cost.tiers)
        if not hit:
            self.by_tier = [old + new for old, new in zip(self.by_tier, cost.tiers, strict=True)]

    def _add_time(self, seconds: float, outcome: Outcome) -> None:
        self.timed += 1
        self.seconds += seconds
        self.latencies.add(seconds)
        if outcome.kind is not Kind.miss:
            self.seconds_saved += max(0.0, seconds - outcome.waits)

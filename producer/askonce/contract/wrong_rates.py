"""How many answers were wrong. One worker computes this every half a minute, and all others read it.

    {"format": 1, "at": 1732400000, "hours": 168, "budget": 0.01, "rate": null,
     "all": {"group": "", "namespace": "", "model": "", "template": "", "answered": 9000, "hits": 3000, "checks": 160,
             "unknown": 0, "wrong": 21, "low": 12, "high": 34, "policy": null},
     "groups": [{…, "policy": {"version": 7, "scorer": "cosine", "threshold": 0.96, "chance": 0.05, "gate": 0.92}}],
     "judge": {"budget": 1.0, "cost": 0.12, "calls": 30, "pairs": 110, …}, "agreement": {"same:different": 1},
     "gate": {"asked": 110, "cost": 0.02, "served": 60, "saved": 0.3}}

`wrong`, `low` and `high` are numbers of questions that got a wrong cached answer: an estimate, and its 95 % interval.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import orjson

from askonce.readable import read_object, text_of, time_of

FORMAT = 1
NAMES = ("group", "namespace", "model", "template")
NUMBERS = ("answered", "hits", "checks", "unknown", "wrong", "low", "high")
DISAGREED = ("same:different", "different:same")
"""Fields of `AuditKeys.agreement` in which a person contradicts the judge."""


@dataclass(frozen=True, slots=True)
class Served:
    """The policy of a group.

    threshold: minimum score of a hit; None: there are no hits. chance: the chance that a hit is checked. gate: minimum
    score of matches put to the judge; None: none are.
    """

    version: int
    scorer: str
    threshold: float | None
    chance: float
    gate: float | None = None


@dataclass(frozen=True, slots=True)
class GroupRate:
    """Rates of one group, or of all.

    answered: questions. hits: by similarity, served or checked. checks: hits that were judged. unknown: the weight of
    those that were examined but could not be judged. wrong, low, high: as above.
    """

    group: str
    namespace: str
    model: str
    template: str
    answered: float
    hits: float
    checks: float
    unknown: float
    wrong: float
    low: float
    high: float
    policy: Served | None = None

    def shares(self, of: float) -> tuple[float, float, float] | None:
        """The estimate and its interval as shares of `of`; None if that is 0."""
        return (self.wrong / of, self.low / of, min(1.0, self.high / of)) if of > 0 else None


@dataclass(frozen=True, slots=True)
class WrongRates:
    """at: Unix seconds. hours: length of the period. budget: ERROR_BUDGET; rate: AUDIT_RATE. groups: those with the
    most questions first. judge: today's figures. agreement: between the judge and people. gate: pairs judged as a gate,
    their cost, the hits it accepted, and what their calls would have cost; empty without a gate."""

    at: int
    hours: int
    budget: float | None
    rate: float | None
    all: GroupRate
    groups: tuple[GroupRate, ...] = ()
    judge: Mapping[str, float] = field(default_factory=dict)
    agreement: Mapping[str, float] = field(default_factory=dict)
    gate: Mapping[str, float] = field(default_factory=dict)

    @property
    def exceeding(self) -> list[GroupRate]:
        """The groups that certainly exceed the budget."""
        if self.budget is None:
            return []
        shares = ((each, each.shares(each.answered)) for each in self.groups)
        return [each for each, share in shares if share is not None and share[1] > self.budget]

    @property
    def judged_twice(self) -> tuple[int, int]:
        """Matches on which a person contradicted the judge, and all that both judged."""
        return int(sum(self.agreement.get(name, 0) for name in DISAGREED)), int(sum(self.agreement.values()))


def encode_rates(rates: WrongRates) -> bytes:
    return orjson.dumps({"format": FORMAT, **asdict(rates)})


def rates_report(rates: WrongRates) -> dict[str, Any]:
    """The report that `askonce stats --json` prints, with each share and its interval."""
    return {
        **asdict(rates),
        "all": _report(rates.all),
        "groups": [_report(each) for each in rates.groups],
        "exceeding": [each.group for each in rates.exceeding],
    }


def _report(each: GroupRate) -> dict[str, Any]:
    return {**asdict(each), "of_answers": each.shares(each.answered), "of_hits": each.shares(each.hits)}


def decode_rates(data: bytes) -> WrongRates:
    """Raises ValueError."""
    record = read_object(data)
    if record.get("format") != FORMAT:
        raise ValueError("rates of another format")
    groups = record.get("groups")
    if not isinstance(groups, list):
        raise ValueError("no groups")
    return WrongRates(
        time_of(record, "at"),
        time_of(record, "hours"),
        _optional(record, "budget"),
        _optional(record, "rate"),
        _group(record.get("all")),
        tuple(map(_group, groups)),
        _numbers(record.get("judge")),
        _numbers(record.get("agreement")),
        _numbers(record.get("gate", {})),
    )


def _group(record: Any) -> GroupRate:
    if not isinstance(record, dict):
        raise ValueError("no group")
    known: dict[str, Any] = {name: text_of(record, name) for name in NAMES}
    known |= {name: _number(record, name) for name in NUMBERS}
    return GroupRate(**known, policy=_served(record.get("policy")))


def _served(record: Any) -> Served | None:
    if record is None:
        return None
    if not isinstance(record, dict):
        raise ValueError("no policy")
    threshold = _optional(record, "threshold")
    served = (time_of(record, "version"), text_of(record, "scorer"), threshold, _number(record, "chance"))
    return Served(*served, _optional(record, "gate"))


def _numbers(record: Any) -> dict[str, float]:
    if not isinstance(record, dict):
        raise ValueError("no numbers")
    return {name: _number(record, name) for name in record}


def _optional(record: Mapping[str, Any], name: str) -> float | None:
    return None if record.get(name) is None else _number(record, name)


def _number(record: Mapping[str, Any], name: str) -> float:
    value = record.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{name} is not a number")
    return float(value)

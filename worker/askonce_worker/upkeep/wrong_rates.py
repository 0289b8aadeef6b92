"""Computes how many answers were wrong, from what all workers have seen of their hits, and publishes it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from redis.asyncio import Redis

from askonce.contract.audit import UnreadableAudit, decode_group
from askonce.contract.keys import Keys
from askonce.contract.wrong_rates import GroupRate, Served, WrongRates, encode_rates
from askonce_worker.audit.judge_errors import judge_errors
from askonce_worker.audit.policy import Unreadable, decode_policy
from askonce_worker.audit.rate import Estimate, Seen, estimate, estimates

HOURS = 168
"""Hours that an estimate covers."""
KEPT, PAUSE = 600, 30
"""Seconds for which it can be read, and between computations."""
TOGETHER = 24
"""Hours in one round trip."""
MOST = 200
"""Groups listed individually: those with the most questions. (The rest form one unnamed group.)"""
NAMES = tuple(each.name for each in fields(Seen))
REST = ""
GATE = ("asked", "cost", "served", "saved")

Sums = defaultdict[str, float]
Name = tuple[str, str, str, str]
"""Group, namespace, model and template."""


class WrongRateReport:
    """budget, rate: ERROR_BUDGET and AUDIT_RATE. judging: money for the judge a day."""

    def __init__(
        self, redis: Redis, keys: Keys, *, budget: float | None, rate: float | None, judging: float | None
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._budget = budget
        self._rate = rate
        self._judging = judging
        self._hours: dict[int, dict[str, Sums]] = {}

    async def run(self, seconds: float) -> bool:  # noqa: ARG002 - a few calls
        if await self._redis.pttl(self._keys.audit.estimates) <= (KEPT - PAUSE) * 1000:
            rates = await self._rates()
            await self._redis.set(self._keys.audit.estimates, encode_rates(rates), ex=KEPT)
        return False

    async def _rates(self) -> WrongRates:
        now, _ = await self._redis.time()
        await self._read_hours(now // 3600)
        sums = _largest(_added(self._hours.values()))
        seen = {name: Seen(**{each: found[each] for each in NAMES}) for name, found in sums.items()}
        judge, agreement = await self._judge(now // 86_400)
        errors = judge_errors(agreement)
        rates = estimates(seen, errors)
        whole = sum(seen.values(), Seen())
        unknown = sum(found["unknown"] for found in sums.values())
        named = await self._named([name for name in seen if name != REST])
        groups = (_rate(*named[name], seen[name], sums[name]["unknown"], rates[name]) for name in named)
        return WrongRates(
            now,
            HOURS,
            self._budget,
            self._rate,
            _rate(("", "", "", ""), None, whole, unknown, estimate(whole, judge=errors)),
            tuple(sorted(groups, key=lambda each: -each.answered)),
            judge,
            agreement,
            _gate(sums.values()),
        )

    async def _read_hours(self, last: int) -> None:
        """Caches hours that ended a while ago, because they no longer change."""
        wanted = range(last - HOURS + 1, last + 1)
        self._hours = {hour: found for hour, found in self._hours.items() if hour in wanted and hour < last - 1}
        missing = [hour for hour in wanted if hour not in self._hours]
        for at in range(0, len(missing), TOGETHER):
            pipe = self._redis.pipeline(transaction=False)
            part = missing[at : at + TOGETHER]
            for hour in part:
                pipe.hgetall(self._keys.audit.seen(hour))
            for hour, found in zip(part, await pipe.execute(), strict=True):
                self._hours[hour] = _largest(_sums(found))

    async def _named(self, groups: list[str]) -> dict[str, tuple[Name, Served | None]]:
        """The groups with readable records, and their policies."""
        if not groups:
            return {}
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.audit.groups, groups)
        pipe.mget([self._keys.audit.policy(group) for group in groups])
        records, policies = await pipe.execute()
        found = {}
        for group, record, policy in zip(groups, records, policies, strict=True):
            try:
                known = decode_group(record or b"")
            except UnreadableAudit:
                continue
            found[group] = (group, known.namespace, known.model, known.template), _served(policy)
        return found

    async def _judge(self, day: int) -> tuple[dict[str, float], dict[str, float]]:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._keys.audit.judge(day))
        pipe.hgetall(self._keys.audit.agreement)
        judge, agreement = (_floats(found) for found in await pipe.execute())
        return (judge if self._judging is None else {"budget": self._judging, **judge}), agreement


def _rate(name: Name, served: Served | None, seen: Seen, unknown: float, found: Estimate) -> GroupRate:
    hits = seen.unchecked + seen.checks
    numbers = (seen.answered, hits, seen.checks, max(0.0, unknown), found.wrong, found.low, found.high)
    return GroupRate(*name, *numbers, served)


def _served(raw: bytes | None) -> Served | None:
    """None if the embedding model's profile applies to the group, or a policy of a later release."""
    if raw is None:
        return None
    try:
        policy = decode_policy("policy", raw)
    except Unreadable:
        return None
    scorer = "cosine" if policy.weights is None else "learnt"
    return Served(policy.version, scorer, policy.threshold, policy.chance, policy.gate)


def _gate(groups: Iterable[Sums]) -> dict[str, float]:
    """The gate's figures; empty if it was never used."""
    total: Sums = defaultdict(float)
    for found in groups:
        for name in GATE:
            total[name] += found[f"gate_{name}"]
    return dict(total) if any(total.values()) else {}


def _sums(found: Mapping[bytes, bytes]) -> dict[str, Sums]:
    """Sums by group, from fields `group|name`."""
    sums: dict[str, Sums] = {}
    for field, value in _floats(found).items():
        group, _, name = field.rpartition("|")
        sums.setdefault(group, defaultdict(float))[name] += value
    return sums


def _added(hours: Iterable[Mapping[str, Sums]]) -> dict[str, Sums]:
    total: dict[str, Sums] = {}
    for hour in hours:
        for group, sums in hour.items():
            own = total.setdefault(group, defaultdict(float))
            for name, value in sums.items():
                own[name] += value
    return total


def _largest(sums: Mapping[str, Sums]) -> dict[str, Sums]:
    """The largest groups, and the rest as one."""
    if len(sums) <= MOST:
        return dict(sums)
    ordered = sorted((name for name in sums if name != REST), key=lambda name: -sums[name]["answered"])
    kept = {name: sums[name] for name in ordered[: MOST - 1]}
    rest = [{REST: found} for name, found in sums.items() if name not in kept]
    return {**kept, **_added(rest)}


def _floats(found: Mapping[bytes, bytes]) -> dict[str, float]:
    """Fields of a later release may be anything."""
    numbers: dict[str, Any] = {}
    for name, value in found.items():
        try:
            numbers[name.decode()] = float(value)
        except ValueError:
            continue
    return numbers

"""The counters of the last hour, day and month, of all time, and by hour, in whichever form they are stored."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from askonce.contract.keys import Keys
from askonce.contract.packed_counters import (
    HOURS_IN_A_DAY,
    day_of,
    live_hour,
    packed_day,
    packed_hour,
    unpacked,
)
from askonce.errors import StoreUnreachable
from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script
from askonce.store.wire import Command

COUNT_FRESH = Script("askonce", "count_fresh")
STATS_BUCKETS = Script("askonce", "stats_buckets")
FULL_HOURS = {"hour": 1, "day": 24}
"""Full hours in a period, besides the current one."""
FULL_DAYS = 30
"""Full days in a month, besides the current one."""
KEPT_HOURS = 40 * 24
"""A live hour is packed soon after its end, unless no worker of this release runs."""
TRIES = 50
PAUSE = 0.1
"""Seconds before another try if a worker is packing an hour, which takes at most a second."""

Counts = Counter[bytes]


@dataclass(frozen=True, slots=True)
class History:
    """at_ms: when Redis was read (Unix ms). periods: the counters of `hour`, `day`, `month` and `total`.

    hours, days: the same by start time (Unix s), for the last day and the last month.
    """

    at_ms: int
    periods: dict[str, Counts]
    hours: dict[int, Counts]
    days: dict[int, Counts]


@dataclass(frozen=True, slots=True)
class _Buckets:
    """lengths: number of fields in each bucket."""

    seconds: int
    micros: int
    lengths: dict[str, int]

    @property
    def hour(self) -> int:
        return self.seconds // 3600

    def closed(self, hour: int) -> dict[str, int]:
        """The unpacked hours before the current one. They change only while a worker packs them."""
        now = live_hour(hour)
        return {name: size for name, size in self.lengths.items() if name.startswith("hour:") and name != now}


async def read_history(store: Store, keys: Keys) -> History:
    """Takes three round trips, or a few more while a worker packs an hour."""
    await _count_fresh(store, keys)
    buckets = await _buckets(store, keys)
    for _ in range(TRIES):
        names = ["total", *buckets.lengths]
        reads: list[Command] = [("HGETALL", keys.stats(name)) for name in names]
        *replies, after = await store.pipeline([*reads, ScriptCall(STATS_BUCKETS, [], _arguments(keys)).command()])
        later = _read_buckets(after)
        if later.closed(buckets.hour) == buckets.closed(buckets.hour):
            break
        buckets = later
        await asyncio.sleep(PAUSE)
    found = {name: _counts(name, reply) for name, reply in zip(names, replies, strict=True)}
    return _history(buckets, found)


async def read_totals(store: Store, keys: Keys) -> Counts:
    """The counters since the beginning."""
    await _count_fresh(store, keys)
    [reply] = await store.pipeline([("HGETALL", keys.stats("total"))])
    return _counts("total", reply)


async def _count_fresh(store: Store, keys: Keys) -> None:
    """Counts what is new without waiting for the workers, which do so once a second. A read-only user's figures lag by
    that second."""
    names = [keys.stats("fresh"), keys.stats("total"), keys.touched]
    with suppress(StoreUnreachable):
        await store.script(COUNT_FRESH, names, [keys.stats("hour:"), keys.tally("")])


def _history(buckets: _Buckets, found: dict[str, Counts]) -> History:
    now = buckets.hour
    hours = {hour: _hour(found, hour) for hour in range(now - FULL_HOURS["day"], now + 1)}
    days = {day: _day(found, day, now) for day in range(day_of(now) - FULL_DAYS, day_of(now) + 1)}
    periods = {
        name: _sum_of(counts for hour, counts in hours.items() if hour >= now - full)
        for name, full in FULL_HOURS.items()
    }
    return History(
        buckets.seconds * 1000 + buckets.micros // 1000,
        {**periods, "month": _sum_of(days.values()), "total": found["total"]},
        {hour * 3600: counts for hour, counts in hours.items()},
        {day * 86_400: counts for day, counts in days.items()},
    )


def _hour(found: dict[str, Counts], hour: int) -> Counts:
    return _sum_of(found[name] for name in (live_hour(hour), packed_hour(hour)) if name in found)


def _day(found: dict[str, Counts], day: int, now: int) -> Counts:
    """The day's packed counters, and its hours not packed yet."""
    live = (live_hour(hour) for hour in range(day * HOURS_IN_A_DAY, min(now, day * HOURS_IN_A_DAY + 23) + 1))
    return _sum_of(found[name] for name in (packed_day(day), *live) if name in found)


def _sum_of(parts: Iterable[Counts]) -> Counts:
    """The sum of the parts. A single part is returned as it is, because nobody modifies it."""
    given = list(parts)
    if len(given) == 1:
        return given[0]
    whole: Counts = Counter()
    for part in given:
        whole.update(part)
    return whole


def _arguments(keys: Keys) -> list[str | int]:
    return [keys.stats(""), KEPT_HOURS, FULL_HOURS["day"], FULL_DAYS]


async def _buckets(store: Store, keys: Keys) -> _Buckets:
    return _read_buckets(await store.script(STATS_BUCKETS, [], _arguments(keys)))


def _read_buckets(reply: list[Any]) -> _Buckets:
    seconds, micros, *pairs = reply
    return _Buckets(seconds, micros, {name.decode(): size for name, size in zip(pairs[::2], pairs[1::2], strict=True)})


def _counts(name: str, reply: Any) -> Counts:
    """Parses HGETALL's reply: a mapping, or alternating names and values."""
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    if name.startswith("packed:"):
        return unpacked(fields)
    return Counter({field: int(count) for field, count in fields.items()})

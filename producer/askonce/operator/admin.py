"""What concerns the whole cache and not one question: invalidation, and what it all came to."""

import re
from collections import Counter
from typing import Any

from askonce.closing import Closing
from askonce.contract.counters import read_counters, total
from askonce.contract.keys import ARQ_JOB, LANES, Keys
from askonce.prices import Prices
from askonce.settings import client_settings
from askonce.store.connection import Store
from askonce.store.wire import Command

PERIODS = {"hour": 1, "day": 24, "month": 720}
"""In full hours, the present one on top."""
SAMPLE = 200
"""Entries whose sizes stand for all, and jobs of a lane among which the oldest is sought: the lane is in fair order,
where the oldest of each namespace stands in front."""
ENQUEUED = re.compile(rb'"et":(\d+)')


class Admin(Closing):
    """A connection of its own, which `async with` closes. What is not given comes from the environment."""

    def __init__(self, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        settings = client_settings({"redis_url": redis_url, "key_prefix": key_prefix})
        self._keys = Keys(settings.key_prefix)
        self._store = Store(settings.redis_url)

    async def stats(self, prices: Prices, *, namespace: str | None = None, model: str | None = None) -> dict[str, Any]:
        """What `askonce stats --json` prints. namespace, model: of these alone; what is not by them is of all."""
        [clock] = await self._store.pipeline([("TIME",)])
        seconds, micros = map(int, clock)
        hours = range(seconds // 3600, seconds // 3600 - PERIODS["month"] - 1, -1)
        buckets = [self._keys.stats("total"), *(self._keys.stats(f"hour:{hour}") for hour in hours)]
        replies = await self._store.pipeline([("HGETALL", bucket) for bucket in buckets])
        ever, *hourly = [_counts(reply) for reply in replies]
        periods = {name: _sum_of(hourly[: full + 1]) for name, full in PERIODS.items()}
        report: dict[str, Any] = {"at": seconds, "currency": prices.currency}
        for name, counts in {**periods, "total": ever}.items():
            report[name] = _period(counts, prices, namespace, model)
        report["now"] = await self._now(seconds * 1000 + micros // 1000, SAMPLE)
        return report

    async def now(self, *, sample: int = SAMPLE) -> dict[str, Any]:
        """The part `now` of `stats`. sample: what is looked at of the entries, and of each lane."""
        [clock] = await self._store.pipeline([("TIME",)])
        seconds, micros = map(int, clock)
        return await self._now(seconds * 1000 + micros // 1000, sample)

    async def _now(self, now_ms: int, sample: int) -> dict[str, Any]:
        keys = self._keys
        commands: list[Command] = [
            ("ZCARD", keys.touched),
            ("ZRANDMEMBER", keys.touched, sample),
            ("XLEN", keys.outbox),
            ("XRANGE", keys.outbox, "-", "+", "COUNT", 1),
            ("ZCOUNT", keys.workers, now_ms, "+inf"),
            ("HLEN", keys.dead),
            ("HMGET", keys.load, *LANES),
        ]
        for lane in LANES:
            for jobs in (keys.queue(lane), keys.alone(lane), keys.leases(lane)):
                commands += [("ZCARD", jobs), ("ZRANGE", jobs, 0, sample - 1)]
        entries, some, outbox, oldest, workers, dead, load, *lanes = await self._store.pipeline(commands)
        report: dict[str, Any] = {
            "entries": entries,
            "entries_bytes": await self._size(entries, some),
            "vectors_waiting": outbox,
            "vectors_oldest_s": max(0.0, (now_ms - int(oldest[0][0].partition(b"-")[0])) / 1000) if oldest else None,
            "workers": workers,
            "dead_letters": dead,
            "lanes": {},
        }
        for place, lane in enumerate(LANES):
            waiting, some_waiting, alone, some_alone, running, some_running = lanes[6 * place : 6 * place + 6]
            report["lanes"][lane] = {
                "waiting_jobs": waiting + alone,
                "running_jobs": running,
                "questions": int(load[place] or 0),
                "oldest_s": await self._age([*some_waiting, *some_alone, *some_running], now_ms),
            }
        return report

    async def _size(self, entries: int, sample: list[bytes]) -> int:
        """About: from a sample, without Redis's own share."""
        if not sample:
            return 0
        sizes: list[int] = await self._store.pipeline([("STRLEN", self._keys.entry(name.decode())) for name in sample])
        return round(sum(sizes) / len(sizes) * entries)

    async def _age(self, jobs: list[bytes], now_ms: int) -> float | None:
        """Seconds since the oldest of these was submitted: it stands at the end of a job's record."""
        if not jobs:
            return None
        ends = await self._store.pipeline([("GETRANGE", f"{ARQ_JOB}{job.decode()}", -40, -1) for job in jobs])
        times = [int(found[1]) for end in ends if (found := ENQUEUED.search(end))]
        return max(0.0, (now_ms - min(times)) / 1000) if times else None

    async def aclose(self) -> None:
        await self._store.aclose()


Counts = Counter[bytes]


def _counts(reply: Any) -> Counts:
    """HGETALL's reply: a mapping, or names and values in turn."""
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return Counter({name: int(value) for name, value in pairs})


def _sum_of(hours: list[Counts]) -> Counts:
    whole: Counts = Counter()
    for hour in hours:
        whole.update(hour)
    return whole


def _period(counts: Counts, prices: Prices, namespace: str | None, model: str | None) -> dict[str, Any]:
    figures = {
        key: each
        for key, each in read_counters(counts, prices).items()
        if namespace in (None, key[0]) and model in (None, key[1])
    }
    by = [{"namespace": key[0], "model": key[1], **each.report()} for key, each in sorted(figures.items())]
    return {**total(figures.values()).report(), "by": by}

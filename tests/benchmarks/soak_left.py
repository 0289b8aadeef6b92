"""What the soak leaves behind, and what it takes meanwhile: keys by family, and memory over time."""

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce.contract.keys import ARQ_JOB, Keys
from askonce_worker.inflight.feed import KEPT, SHARDS

EVERY = 2.0
TRIMMED = 200
"""Records by which a stream may be longer than it is to be: Redis trims whole nodes."""
TEN_MINUTES = 600.0


@dataclass
class Memory:
    """samples: Unix seconds, bytes of Redis's data, RSS of the worker that is never killed, keys in Redis."""

    samples: list[tuple[float, int, int, int]] = field(default_factory=list)

    async def watch(self, redis: Redis, pid: Callable[[], int]) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                used, keys = (await redis.info("memory"))["used_memory"], await redis.dbsize()
                resident = psutil.Process(pid()).memory_info().rss
            except (RedisError, OSError, psutil.Error):
                continue  # it is away
            self.samples.append((time.time(), used, resident, keys))

    @property
    def seconds(self) -> float:
        return self.samples[-1][0] - self.samples[0][0] if self.samples else 0.0

    def column(self, place: int) -> list[int]:
        return [sample[place] for sample in self.samples]

    def slope(self, place: int) -> float:
        """Of the last third, in % in ten minutes."""
        last = self.samples[len(self.samples) * 2 // 3 :]
        if len(last) < 3:
            return 0.0
        line = statistics.linear_regression([sample[0] for sample in last], [sample[place] for sample in last])
        return 100 * line.slope * TEN_MINUTES / statistics.mean(sample[place] for sample in last)


def family(keys: Keys, key: str) -> str:
    """The key's name without what is one of many in it: `result`, `stats:hour`, `arq:job`."""
    if key.startswith("arq:"):
        return ":".join(key.split(":")[:2])
    name = key.removeprefix(f"{keys.prefix}:")
    return re.match(r"(?:stats|inflight|upkeep|rates):[a-z]+|[a-z]+", name)[0]


async def families(redis: Redis, keys: Keys) -> Counter[str]:
    found: Counter[str] = Counter()
    for pattern in (f"{keys.prefix}:*", "arq:*"):
        async for key in redis.scan_iter(pattern, count=1000):
            found[family(keys, key.decode())] += 1
    return found


def bounds(*, workers: int, seconds: float) -> dict[str, int]:
    """Keys that stay when nothing is asked any more, and how many of each at most; of all others none may be left."""
    one = (
        "wake",
        "fair",
        "epochs",
        "outbox",
        "workers",
        "snapshots:runs",
        "models",
        "upkeep",
        "upkeep:lock",
        "collections",
    )
    return {
        **dict.fromkeys(one, 1),
        "answered": 1,  # one client; for an hour
        "feed": SHARDS,
        "stats:total": 1,
        "stats:hour": int(seconds / 3600) + 2,
        "stats:tally": workers,  # of every life, for a day
        "cron": int(min(3600, seconds) / 2) + 2,  # one each two seconds, for an hour
    }


async def left_over(redis: Redis, keys: Keys, allowed: dict[str, int]) -> dict[str, int]:
    """Families with more keys than they may have, and structures that are longer."""
    found = await families(redis, keys)
    left = {name: count for name, count in found.items() if count > allowed.get(name, 0)}
    lengths = {f"feed {shard}": await redis.xlen(keys.feed(shard)) for shard in range(SHARDS)}
    left |= {name: length for name, length in lengths.items() if length > KEPT + TRIMMED}
    return left | ({"wake tokens": length} if (length := await redis.llen(keys.wake)) > 64 else {})


async def open_work(redis: Redis, keys: Keys) -> dict[str, int]:
    """What is there only while something is under way: jobs, leases, pending markers. (Leaders are for `left_over`: a
    dead worker's stay for a minute where nobody follows them.)"""
    found = await families(redis, keys)
    kept = ("queue", "leases", "tokens", "load", ARQ_JOB.rstrip(":"))
    left = {name: found[name] for name in kept if found[name]}
    left |= {"vectors in the outbox": waiting} if (waiting := await redis.xlen(keys.outbox)) else {}
    names = [key async for key in redis.scan_iter(f"{keys.prefix}:result:*", count=1000)]
    for at in range(0, len(names), 500):
        for raw in await redis.mget(names[at : at + 500]):
            if raw is not None and b'"deadline"' in raw[:80]:
                left["pending"] = left.get("pending", 0) + 1
    return left

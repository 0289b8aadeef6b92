"""Relief for a Redis that runs out of memory: the queue is bounded early, and the largest namespace's entries are
evicted.

Runs on every worker: taking turns would need a write, which a full Redis refuses.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import LANES, MOST_WAITING, Keys
from askonce.store.scripts import Script
from askonce_worker.redis.facts import facts
from askonce_worker.upkeep.eviction import DeletesVectors
from askonce_worker.upkeep.heads import beginnings
from askonce_worker.upkeep.memory import Memory
from askonce_worker.upkeep.rules import HEAD_BYTES, read_head
from askonce_worker.upkeep.stale import DROP_ENTRIES

log = structlog.get_logger()

IS_FULL = Script("askonce_worker.upkeep", "is_full")

SAMPLE = 100
"""Entries in a sample."""
BATCH = 500
"""Sample size from which entries to drop are chosen."""
UNBOUNDED = Memory(0, 0, 0, 0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sampled entry. head: its beginning. hit: Unix seconds of its last hit.

    oldest: it is among the longest unhit. drawn: it was drawn at random.
    """

    name: str
    head: bytes
    hit: float
    oldest: bool
    drawn: bool


class Relief:
    """clock: monotonic seconds."""

    def __init__(self, redis: Redis, keys: Keys, delete_vectors: DeletesVectors, *, clock: Callable[[], float]) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._delete_vectors = delete_vectors
        self._clock = clock
        self._bound = -1

    async def run(self, seconds: float) -> None:
        """Bounds the queue and, while Redis is nearly full, evicts entries for at most this many seconds."""
        memory = await self._memory()
        await self._bound_queue(memory)
        dropped, end = 0, self._clock() + seconds
        while memory.is_full and self._clock() < end:
            batch = await self._evict()
            dropped += batch
            if batch == 0:
                log.warning("upkeep.memory", reason="Redis is nearly full, but not with cache entries")
                break
            memory = await self._memory()
        if dropped:
            log.warning("upkeep.memory_freed", entries=dropped)

    async def _memory(self) -> Memory:
        """Memory use. There is no bound if Redis does not allow INFO, which the worker warns of at its start."""
        info = await facts(self._redis, "memory")
        most = int(info.get("maxmemory", 0))
        if not most:
            return UNBOUNDED
        pipe = self._redis.pipeline(transaction=False)
        pipe.zcard(self._keys.touched)
        pipe.zrandmember(self._keys.touched, SAMPLE)
        pipe.hmget(self._keys.load, *LANES)
        entries, names, waiting = await pipe.execute()
        mean = await self._mean_answer(names)
        base, load = int(info.get("used_memory_startup", 0)), sum(max(0, int(each or 0)) for each in waiting)
        full = bool(await IS_FULL(self._redis, [], []))
        return Memory(int(info["used_memory"]), most, base, entries, mean, load, full)

    async def _mean_answer(self, names: list[bytes]) -> float:
        if not names:
            return 0.0
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.strlen(self._keys.entry(name.decode()))
        lengths: list[int] = await pipe.execute()
        return sum(lengths) / len(lengths)

    async def _bound_queue(self, memory: Memory) -> None:
        """Sets the bound that `submit` reads. 0 is no bound."""
        bound = max(1, memory.most_waiting) if memory.most else 0
        if bound == self._bound == 0:
            return
        try:
            await self._redis.hset(self._keys.load, MOST_WAITING, bound)
        except ResponseError as error:  # Redis is full: the last bound stays in force, and submit is refused anyway
            log.debug("upkeep.queue_not_bounded", error=type(error).__name__)
        else:
            self._bound = bound

    async def _evict(self) -> int:
        """Drops the longest unhit entries of the largest namespace."""
        going = _of_the_largest(await self._sample())
        if not going:
            return 0
        pairs = [part for each in going for part in (each.name, each.head)]
        keys = [self._keys.touched, self._keys.expiries]
        now, *dropped = await DROP_ENTRIES(self._redis, keys, [self._keys.entry(""), *pairs])
        await self._delete_vectors([name.decode() for name in dropped], before=now)
        return len(dropped)

    async def _sample(self) -> dict[str, list[Chosen]]:
        """The longest unhit and a random sample, by namespace, so that none is overlooked or favoured."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrange(self._keys.touched, 0, BATCH - 1, withscores=True)
        pipe.zrandmember(self._keys.touched, BATCH, withscores=True)
        oldest, chosen = await pipe.execute()
        first, drawn = (dict(each) for each in (oldest, _pairs(chosen)))
        hits = {**first, **drawn}
        names = [name.decode() for name in hits]
        _, heads = await beginnings(self._redis, self._keys, names, HEAD_BYTES)
        found: dict[str, list[Chosen]] = defaultdict(list)
        for (name, hit), begin in zip(hits.items(), heads, strict=True):
            head = read_head(begin)
            raw, namespace = (head.raw, head.namespace) if head is not None else (b"", "")
            found[namespace].append(Chosen(name.decode(), raw, float(hit), name in first, name in drawn))
        return found


def _of_the_largest(found: dict[str, list[Chosen]]) -> list[Chosen]:
    """From the namespace with the most drawn entries: its longest unhit, else the older half of those drawn."""
    if not found:
        return []
    largest = max(found.values(), key=lambda entries: sum(each.drawn for each in entries))
    oldest = [each for each in largest if each.oldest]
    if len(oldest) >= BATCH // 10 or len(oldest) == len(largest):
        return oldest
    drawn = sorted((each for each in largest if each.drawn), key=lambda each: each.hit)
    return drawn[: max(1, len(drawn) // 2)]


def _pairs(reply: list[Any]) -> list[tuple[bytes, float]]:
    """Member and score; flat in RESP2, in pairs in RESP3."""
    if reply and isinstance(reply[0], list | tuple):
        return [(name, score) for name, score in reply]
    return list(zip(reply[::2], reply[1::2], strict=True))

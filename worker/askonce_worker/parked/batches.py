"""The batches in Redis, and how much a provider accepts of a pool at once. Writing needs the lock's token."""

import secrets
from dataclasses import dataclass, replace
from typing import Any

import orjson
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.readable import read_object
from askonce.store.scripts import Script
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.parked.batch_record import VERSION, BatchRecord, read_batch
from askonce_worker.parked.records import model_of
from askonce_worker.parked.store import LockLost, ParkedStore

NOTE = Script("askonce_worker.parked", "note")
NOW = "now"
FIRST_PAUSE, LONGEST_PAUSE = 60_000, 1_800_000
"""Milliseconds before retrying a provider that accepts no more."""

FILES_STAY = 600_000
"""Milliseconds for which files are kept: if Redis comes back without its last seconds, they are read again, and nothing
is paid twice."""
REMEMBERED = 3600
"""Seconds before checking again whether a provider without batches has them."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Limit of a pool. most: lines in a batch. until: Unix ms before which none is created. refusals: in a row."""

    most: int
    until: int = 0
    refusals: int = 0

    def tighter(self, refused: int, now_ms: int) -> "Limit":
        """The limit after a batch of this many lines was refused: half as many, and later."""
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.refusals)
        return Limit(max(1, min(self.most, refused) // 2), now_ms + pause, min(self.refusals + 1, 10))

    def paused(self, now_ms: int) -> "Limit":
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.refusals)
        return replace(self, until=now_ms + pause, refusals=min(self.refusals + 1, 10))

    def wider(self) -> "Limit":
        """The limit after a batch was accepted and has ended."""
        return Limit(self.most * 2)


def new_name() -> str:
    """A new batch's name, which goes into its metadata at the provider."""
    return f"askonce-{secrets.token_hex(6)}"


class Batches:
    def __init__(self, redis: Redis, keys: Keys, store: ParkedStore, refusals: Refusals, *, most: int) -> None:
        """most: lines in a batch."""
        self._redis: Any = redis
        self._keys = keys
        self._store = store
        self._refusals = refusals
        self._most = most

    async def open(self) -> list[BatchRecord]:
        """Batches that have not ended, oldest first."""
        names = [name.decode() for name in await self._redis.zrange(self._keys.parked("batches"), 0, -1)]
        pipe = self._redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(self._keys.parked(f"batch:{name}"))
        found = []
        for name, fields in zip(names, await pipe.execute(), strict=True):
            try:
                found.append(read_batch(name, fields))
            except ValueError as error:
                self._refusals("batch", batch=name, reason=str(error))
        return found

    async def read(self, name: str) -> BatchRecord | None:
        """The record; None if it is missing or unreadable."""
        try:
            return read_batch(name, await self._redis.hgetall(self._keys.parked(f"batch:{name}")))
        except ValueError:
            return None

    async def note(self, name: str, **facts: Any) -> int:
        """Writes these fields; the value `now` becomes the current time, which is returned (Unix ms). Raises LockLost.

        Returns 0 and writes nothing if it was to be closed, but has got lines again meanwhile.
        """
        args: list[Any] = [self._keys.parked(""), self._store.token, name]
        for pair in facts.items():
            args += pair
        now = int(await NOTE(self._redis, [self._keys.parked_lock], args))
        if now == -1:
            raise LockLost
        return now

    async def begin(self, pool: str) -> BatchRecord:
        """Begins a batch without lines."""
        name, model = new_name(), model_of(pool)
        await self.note(name, v=VERSION, state="filled", pool=pool, model=model, began=NOW)
        return BatchRecord(name, "filled", pool, model)

    async def pools(self) -> dict[str, int]:
        """Pools with questions waiting for a batch, and since when (Unix ms)."""
        found = await self._redis.hgetall(self._keys.parked("since"))
        return {pool.decode(): int(since) for pool, since in found.items()}

    async def limit(self, pool: str) -> Limit:
        raw = await self._redis.hget(self._keys.parked("limits"), pool)
        if raw is None:
            return Limit(self._most)
        try:
            record = read_object(raw)
            return Limit(min(self._most, int(record["most"])), int(record["until"]), int(record["refusals"]))
        except (ValueError, KeyError, TypeError):
            return Limit(self._most)

    async def set_limit(self, pool: str, limit: Limit) -> None:
        """Sets the limit for the next batch. It is only advice, so it needs no token."""
        key = self._keys.parked("limits")
        if limit.most >= self._most and not limit.until:
            await self._redis.hdel(key, pool)
        else:
            record = {"most": limit.most, "until": limit.until, "refusals": limit.refusals}
            await self._redis.hset(key, pool, orjson.dumps(record))

    async def files(self, count: int) -> list[str]:
        """Files at the provider that no batch has needed for FILES_STAY milliseconds."""
        latest = await self.now_ms() - FILES_STAY
        found = await self._redis.zrangebyscore(self._keys.parked("files"), "-inf", latest, start=0, num=count)
        return [name.decode() for name in found]

    async def drop_file(self, file_id: str) -> None:
        """Marks an unused file that only this worker knows for deletion. Written without the token."""
        await self._redis.zadd(self._keys.parked("files"), {file_id: await self.now_ms()})

    async def forget_file(self, file_id: str) -> None:
        await self._redis.zrem(self._keys.parked("files"), file_id)

    async def are_served(self) -> bool:
        """False if the provider was found to have no batches within the last hour."""
        return not await self._redis.exists(self._keys.parked("none"))

    async def give_up(self) -> None:
        """Records that the provider has no batches: for an hour nothing is parked, and waiting questions leave. Written
        without the token."""
        await self._redis.set(self._keys.parked("none"), "1", ex=REMEMBERED)

    async def now_ms(self) -> int:
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

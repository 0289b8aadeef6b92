"""Leaders in Redis: a hash and a stream per shard of scopes. The hash is authoritative; the stream has its trimmed
changes."""

import time
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.scripts import Script
from askonce_worker.inflight.leader import Leader, Led
from askonce_worker.inflight.records import (
    Settled,
    Unreadable,
    decode_leader,
    decode_record,
    decode_settled,
    encode_leader,
    encode_settled,
)
from askonce_worker.inflight.shard import Record, Snapshot

SHARDS = 16
KEPT = 4096
"""Records in a feed: eight seconds of a shard with 250 leaders a second."""
ANSWER_MS = 180_000
"""Longer than a view keeps settled leaders, so that their followers find the answer even if the view lags."""
DOUBT_MS = 2000
"""Maximum time from the end of a worker's lease to the lapse of its leaders. If Redis was away, a live worker renews
within a second of its return."""
AT_ONCE = 500
"""Maximum records in one reply, and leaders in one script call: larger ones would delay other clients."""

SIGNS = 6
"""How often per lease a claim also counts as a heartbeat, in addition to renewals."""

LEAD = Script("askonce_worker.inflight", "lead")
SETTLE = Script("askonce_worker.inflight", "settle")
WATCH = Script("askonce_worker.inflight", "watch")
RESTORE = Script("askonce_worker.inflight", "restore")
SNAPSHOT = Script("askonce_worker.inflight", "snapshot")


def shard_of(scope: str) -> int:
    return zlib.crc32(scope.encode()) % SHARDS


@dataclass(frozen=True, slots=True)
class LeadReply:
    """records: all since then, the worker's own last. gap: the feed no longer holds all of them."""

    appended: bool
    records: list[Record]
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Settling:
    leader: str
    shard: int
    settled: Settled


class Feed:
    """lease: seconds for which a claim counts as a heartbeat. counters: of what could not be read or compared."""

    def __init__(self, redis: Redis, keys: Keys, *, worker_id: str, embedding_id: str, lease: float) -> None:
        self.counters: Counter[str] = Counter()
        self._redis = redis
        self._keys = keys
        self._worker = worker_id
        self._embedding = embedding_id
        self._lease_ms = int(lease * 1000)
        self._signed = -float("inf")
        prefix = keys.prefix
        self._prefixes = [f"{prefix}:leaders:", f"{prefix}:feed:", keys.inflight_answer(""), KEPT, ANSWER_MS]

    async def read(self, positions: Mapping[int, str], *, wait_ms: int) -> dict[int, list[Record]]:
        """Records after these positions. Waits for the first one."""
        shards = {self._keys.feed(shard).encode(): shard for shard in positions}
        streams: Any = {self._keys.feed(shard): position for shard, position in positions.items()}
        reply: Any = await self._redis.xread(streams, block=wait_ms, count=AT_ONCE)
        return {shards[stream]: [self._record(*entry) for entry in entries] for stream, entries in reply or ()}

    async def lead(self, shard: int, seen: str, leaders: Sequence[Leader]) -> LeadReply:
        """Appends them all, or none if another leader of their scopes came after `seen`."""
        now = time.monotonic()
        sign = now - self._signed > self._lease_ms / 1000 / SIGNS
        args: list[Any] = [seen, self._worker, self._lease_ms if sign else 0, KEPT]
        for leader in leaders:
            args += (leader.id, leader.scope, encode_leader(leader))
        status, *rest = await LEAD(self._redis, self._shard_keys(shard), args)
        if status == -1:
            return LeadReply(appended=False, records=[], gap=True)
        records = [self._record(name, dict(zip(flat[::2], flat[1::2], strict=False))) for name, flat in rest[0]]
        if status == 1:
            self._signed = now if sign else self._signed
            after = records[-1].id if records else seen
            for name, leader in zip(rest[1], leaders, strict=True):
                records.append(Record(name.decode(), after, Led(leader)))
                after = name.decode()
        return LeadReply(appended=status == 1, records=records)

    async def restore(self, shard: int, leaders: Sequence[Leader]) -> int:
        """Restores leaders; returns how many Redis had lost."""
        args: list[Any] = [self._keys.inflight_answer(""), self._worker, self._lease_ms, KEPT]
        for leader in leaders:
            args += (leader.id, leader.scope, encode_leader(leader))
        return int(await RESTORE(self._redis, self._shard_keys(shard), args))

    async def snapshots(self, seen: Mapping[int, str]) -> dict[int, Snapshot]:
        """Snapshots of the shards whose feed does not end at the position in `seen`."""
        keys = [key for shard in seen for key in (self._keys.leaders(shard), self._keys.feed(shard))]
        replies = await SNAPSHOT(self._redis, keys, list(seen.values()))
        return {
            shard: Snapshot(reply[0].decode(), self._leaders(reply[1]))
            for shard, reply in zip(seen, replies, strict=True)
            if reply is not None
        }

    async def watch(self, leaders: Sequence[tuple[int, str]]) -> list[Settled | None]:
        """Outcomes of the first of these leaders: None while one is live. A lapsed or unknown one is not shared.

        How many depends on the size of their answers; at least one.
        """
        doubt_ms = min(DOUBT_MS, 1000 + self._lease_ms // 3)
        args: list[Any] = [*self._prefixes, encode_settled(Settled("none", lapsed=True)), doubt_ms]
        for shard, leader in leaders[:AT_ONCE]:
            args += (shard, leader)
        return [_state(reply) for reply in await WATCH(self._redis, [self._keys.workers, self._keys.doubted], args)]

    async def settle(self, settlings: Sequence[Settling]) -> list[bool]:
        """Settles leaders; whether each was still one."""
        args = [*self._prefixes]
        for settling in settlings:
            args += self._settle_args(settling)
        return [reply == 1 for reply in await SETTLE(self._redis, [], args)]

    def settling(self, settling: Settling) -> Sequence[Any]:
        """All arguments of settle_leader.lua."""
        return *self._prefixes, *self._settle_args(settling)

    def _settle_args(self, settling: Settling) -> tuple[Any, ...]:
        settled = settling.settled
        reusable_ms = int(settled.reusable * 1000)
        return settling.shard, settling.leader, settled.share, reusable_ms, encode_settled(settled)

    def _shard_keys(self, shard: int) -> list[str]:
        return [self._keys.leaders(shard), self._keys.feed(shard), self._keys.workers, self._keys.doubted]

    def _record(self, name: bytes, fields: Mapping[bytes, bytes]) -> Record:
        record = decode_record(name, fields)
        if record.change is None:
            self.counters["unreadable"] += 1
        elif isinstance(record.change, Led):
            self._note_embedding(record.change.leader)
        return record

    def _leaders(self, flat: Sequence[bytes]) -> list[Leader]:
        leaders = []
        for name, data in zip(flat[::2], flat[1::2], strict=True):
            try:
                leader = decode_leader(name.decode(), data)
            except (Unreadable, UnicodeDecodeError):
                self.counters["unreadable"] += 1
                continue
            self._note_embedding(leader)
            leaders.append(leader)
        return leaders

    def _note_embedding(self, leader: Leader) -> None:
        if leader.vector is not None and leader.embedding != self._embedding:
            self.counters["other_embedding"] += 1


def _state(reply: bytes | None) -> Settled | None:
    if reply == b"":
        return None
    return Settled("none") if reply is None else decode_settled(reply)

"""This worker's own leaders, from the proposal until Redis has their outcome.

Every leader is eventually settled, so that no follower waits for ever. A leader without a claim (the claim gave up, but
its script ran after all) is released when seen. A leader that Redis has lost is restored. One whose outcome was in a
failed pipeline is settled again.
"""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from askonce_worker.inflight.feed import AT_ONCE, Feed, Settling, shard_of
from askonce_worker.inflight.leader import Change, Leader, Led
from askonce_worker.inflight.records import Settled

PIPELINE_SECONDS = 2.0
"""Seconds for a pipeline to settle a leader before it is settled from here."""


@dataclass(slots=True)
class Own:
    """leads: whether its claim succeeded. due: when this worker must settle it."""

    leader: Leader
    leads: bool = False
    lost: bool = False
    settling: Settling | None = None
    due: float = 0.0


class OwnLeaders:
    """worker_id: not shared with any other live process."""

    def __init__(self, feed: Feed, worker_id: str, counters: Counter[str]) -> None:
        self.urgent = asyncio.Event()
        self._feed = feed
        self._prefix = f"{worker_id}/"
        self._names = (f"{self._prefix}{secrets.token_urlsafe(6)}.{number}" for number in count())
        self._counters = counters
        self._own: dict[str, Own] = {}

    @property
    def leading(self) -> int:
        """Leaders not settled yet, to this worker's knowledge."""
        return sum(own.leads and own.settling is None for own in self._own.values())

    def new_name(self) -> str:
        return next(self._names)

    def propose(self, leader: Leader) -> None:
        self._own.setdefault(leader.id, Own(leader))

    def withdraw(self, name: str) -> None:
        """It is not a leader: it follows another one, or was never sent to Redis."""
        self._own.pop(name, None)

    def leads(self, name: str) -> None:
        if name in self._own:
            self._own[name].leads = True

    def settle(self, name: str, scope: str, settled: Settled, *, due: float) -> Settling:
        settling = Settling(name, shard_of(scope), settled)
        own = self._own.get(name)
        if own is not None:
            own.settling, own.due = settling, due
        return settling

    def abandon(self, name: str, scope: str) -> None:
        """Lets its followers claim again soon. A known outcome is kept."""
        own = self._own.get(name)
        if own is None or own.settling is None:
            self.settle(name, scope, Settled("none"), due=0.0)
            self.urgent.set()

    def abandon_all(self) -> None:
        for name, own in self._own.items():
            self.abandon(name, own.leader.scope)

    def seen(self, change: Change) -> None:
        """Handles a feed record, of this worker's leaders or others."""
        if isinstance(change, Led):
            self._found(change.leader)
            return
        own = self._own.pop(change.leader, None)
        if own is not None and own.settling is None:
            self._counters["lapsed"] += 1

    def reloaded(self, shard: int, live: Sequence[Leader]) -> None:
        """Handles a reloaded shard."""
        there = {leader.id for leader in live}
        for leader in live:
            self._found(leader)
        for name, own in self._own.items():
            if own.leads and name not in there and shard_of(own.leader.scope) == shard:
                own.lost = True
                self.urgent.set()

    def _found(self, leader: Leader) -> None:
        if leader.id.startswith(self._prefix) and leader.id not in self._own:
            self._counters["orphans"] += 1
            self._own[leader.id] = Own(leader)
            self.abandon(leader.id, leader.scope)

    async def tend(self, now: float) -> None:
        """Settles due leaders, and restores those Redis has lost. On RedisError, call it again."""
        await self._settle_due(now)
        lost: dict[int, list[Own]] = defaultdict(list)
        for own in self._own.values():
            if own.lost:
                lost[shard_of(own.leader.scope)].append(own)
        for shard, owns in lost.items():
            self._counters["restored"] += await self._feed.restore(shard, [own.leader for own in owns])
            for own in owns:
                own.lost = False
        if lost:
            await self._settle_due(now)

    async def _settle_due(self, now: float) -> None:
        """Skips leaders that Redis has lost: they are restored first, so that their followers still get the answer."""
        owns = [own for own in self._own.values() if own.due <= now and not own.lost]
        due = [own.settling for own in owns if own.settling is not None]
        for at in range(0, len(due), AT_ONCE):
            await self._feed.settle(due[at : at + AT_ONCE])
            for settling in due[at : at + AT_ONCE]:
                self._own.pop(settling.leader, None)

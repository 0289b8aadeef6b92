"""The worker's views of all shards, updated from the feed, or from a fresh snapshot after a gap."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog

from askonce_worker.inflight.feed import SHARDS, Feed
from askonce_worker.inflight.leader import Change, Leader
from askonce_worker.inflight.leaders import View
from askonce_worker.inflight.shard import Record, Shard
from askonce_worker.logs.error_origin import place

log = structlog.get_logger()

IDLE_MS = 1000
GATHERED = 0.004
"""Seconds for which records accumulate before they are read. Claims read what they need themselves."""
AT_REST = 0.5
"""The same while nothing here waits for the feed."""
HURRIED = 1.0
"""Seconds for which it is read without delay after a claim missed another leader."""


class FeedReplica:
    """changed: called with every change. reloaded: called with a reloaded shard's live leaders.

    at_rest: whether nothing here waits for the feed. Claims then have time to catch up by themselves.
    """

    def __init__(
        self,
        feed: Feed,
        new_view: Callable[[], View],
        *,
        clock: Callable[[], float],
        changed: Callable[[Change], None],
        reloaded: Callable[[int, Sequence[Leader]], None],
        at_rest: Callable[[], bool],
        counters: Counter[str],
    ) -> None:
        self.shards = [Shard(new_view()) for _ in range(SHARDS)]
        self._feed = feed
        self._clock = clock
        self._changed = changed
        self._reloaded = reloaded
        self._at_rest = at_rest
        self._hurried_until = 0.0
        self._gathering = False
        self._wanted = asyncio.Event()
        self._counters = counters
        self._reloading = asyncio.Lock()
        self._checked: list[str] = [""] * SHARDS

    def apply(self, number: int, records: Iterable[Record]) -> None:
        for change in self.shards[number].apply(records, self._clock()):
            self._changed(change)

    async def catch_up(self) -> None:
        """Reloads broken shards. Raises RedisError."""
        async with self._reloading:
            broken = {number: "" for number, shard in enumerate(self.shards) if shard.broken}
            if broken:
                await self._reload(broken)

    async def check(self) -> None:
        """Checks that shards without progress since the last check are up to date. Raises RedisError."""
        if self._gathering:
            self._wanted.set()
            await asyncio.sleep(GATHERED)
        positions = [shard.position for shard in self.shards]
        idle = {number: at for number, at in enumerate(positions) if at == self._checked[number]}
        self._checked = positions
        if idle:
            async with self._reloading:
                await self._reload(idle)

    async def _reload(self, seen: dict[int, str]) -> None:
        for number, snapshot in (await self._feed.snapshots(seen)).items():
            shard = self.shards[number]
            if seen[number] not in ("", shard.position):
                continue
            self._counters["reloads"] += 1
            shard.replace(snapshot, self._clock())
            self._reloaded(number, snapshot.leaders)

    def hurry(self) -> None:
        """Reads the next records without delay, because something waits for them."""
        self._hurried_until = self._clock() + HURRIED
        self._wanted.set()

    async def _gather(self) -> None:
        if not self._at_rest() or self._clock() < self._hurried_until:
            await asyncio.sleep(GATHERED)
            return
        self._wanted.clear()
        self._gathering = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AT_REST):
                await self._wanted.wait()
        self._gathering = False

    async def keep_up(self) -> None:
        """Until cancelled."""
        pause = 0.0
        while True:
            try:
                await self.catch_up()
                positions = {number: shard.position for number, shard in enumerate(self.shards)}
                for number, records in (await self._feed.read(positions, wait_ms=IDLE_MS)).items():
                    self.apply(number, records)
                pause = 0.0
            except Exception as error:  # noqa: BLE001 - its end would not be noticed
                pause = min(1.0, pause * 2 + 0.05)
                log.warning("inflight.feed_away", error=type(error).__name__, where=place(error), pause=pause)
                await asyncio.sleep(pause)
            await self._gather()

"""Questions that wait for a leader of any worker. The feed triggers a check, and there is one every second anyway.

Outcomes are read only from Redis, in one call for all that are due, so nothing depends on the feed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from askonce_worker.answering.coalescing import AskYourself, Follow, Freed, Shared
from askonce_worker.inflight.dropped import Dropped
from askonce_worker.inflight.feed import Feed, shard_of
from askonce_worker.inflight.records import Settled
from askonce_worker.logs.error_origin import place
from askonce_worker.queue.tries import SUSPECT_AFTER, SUSPECTS

log = structlog.get_logger()

PERIOD = 1.0


@dataclass(slots=True)
class Watched:
    """A leader that questions of this worker follow."""

    shard: int
    followers: int = 0
    outcome: "asyncio.Future[Settled]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Followers:
    def __init__(self, feed: Feed, dropped: Dropped, *, is_live: Callable[[Follow], bool]) -> None:
        self._feed = feed
        self._dropped = dropped
        self._is_live = is_live
        self._watched: dict[str, Watched] = {}
        self._due: set[str] = set()
        self._wake = asyncio.Event()

    @property
    def count(self) -> int:
        return sum(watched.followers for watched in self._watched.values())

    async def wait(self, follow: Follow) -> Shared | Freed | AskYourself:
        """Waits for as long as the leader is live."""
        watched = self._watched.get(follow.leader)
        if watched is None:
            watched = self._watched[follow.leader] = Watched(shard_of(follow.scope))
            if not self._is_live(follow):
                self.ended(follow.leader)
        watched.followers += 1
        try:
            settled = await asyncio.shield(watched.outcome)
            if self._dropped.includes(follow.fingerprint, settled.at):
                return Freed()
            return _judged(settled, follow)
        finally:
            watched.followers -= 1
            if watched.followers == 0 and self._watched.get(follow.leader) is watched:
                del self._watched[follow.leader]

    def ended(self, leader: str) -> None:
        if leader in self._watched:
            self._due.add(leader)
            self._wake.set()

    async def look_out(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        next_round = loop.time() + PERIOD
        while True:
            try:
                async with asyncio.timeout_at(next_round):
                    await self._wake.wait()
            except TimeoutError:
                next_round = loop.time() + PERIOD
                self._due.update(self._watched)
            self._wake.clear()
            due, self._due = [name for name in self._due if name in self._watched], set()
            if not due:
                continue
            try:
                await self._look(due)
            except Exception as error:  # noqa: BLE001 - its end would not be noticed
                log.warning("inflight.watch_failed", error=type(error).__name__, where=place(error), leaders=len(due))
                await asyncio.sleep(0.1)
                self._due.update(due)
                self._wake.set()

    async def _look(self, names: list[str]) -> None:
        while left := [name for name in names if name in self._watched]:
            states = await self._feed.watch([(self._watched[name].shard, name) for name in left])
            for name, settled in zip(left, states, strict=False):
                watched = self._watched.get(name)
                if settled is not None and watched is not None and not watched.outcome.done():
                    del self._watched[name]
                    watched.outcome.set_result(settled)
            names = left[len(states) :]


def _judged(settled: Settled, follow: Follow) -> Shared | Freed | AskYourself:
    if settled.share == "none":
        lapses = SUSPECT_AFTER if follow.leader.startswith(SUSPECTS) else 1
        return Freed(settled.body, lapses if settled.lapsed else 0)
    if settled.is_past(follow.asked_ms):
        return Freed()
    if settled.body is None or (settled.share == "same" and not follow.same):
        return AskYourself()
    return Shared(settled.body)

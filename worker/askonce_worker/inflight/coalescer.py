"""Near-duplicates in flight, over any number of workers, make one LLM call.

The claimant alone decides. It compares its questions with all leaders it knows, and adds those that match none to the
shard's feed by compare-and-append. If another leader came first, the reply contains it, and the claimant compares with
that one and tries again. If two workers judge a pair differently, one of them still comes second and either follows or
leads. They never wait for each other.

This is simpler than a log of claims that all workers replay, because no two workers have to agree. A claim may miss a
leader's end, because followers of a leader that has just settled still get its answer. Followers read the outcome from
Redis; the feed only tells them when.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Self

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.tasks import stop
from askonce_worker.answering.coalescing import Ask, AskYourself, Follow, Freed, Lead, Settlement, Shared, Stale
from askonce_worker.inflight.claim_batches import ClaimBatches
from askonce_worker.inflight.dropped import Dropped
from askonce_worker.inflight.feed import Feed, shard_of
from askonce_worker.inflight.feed_replica import FeedReplica
from askonce_worker.inflight.followers import Followers
from askonce_worker.inflight.leader import Change, Claimant, Conflict, Ended, Leader, Reported, Share
from askonce_worker.inflight.leaders import View
from askonce_worker.inflight.own import PIPELINE_SECONDS, OwnLeaders
from askonce_worker.inflight.records import Settled
from askonce_worker.inflight.vectors import quantised
from askonce_worker.logs.error_origin import place

log = structlog.get_logger()

SHARED_WITH: dict[Settlement, Share] = {
    Settlement.SHARED: "any",
    Settlement.SAME_ONLY: "same",
    Settlement.PERMANENT: "same",
    Settlement.TRANSIENT: "none",
}
PERIOD = 1.0
FEW = 4
"""Questions being answered by the LLM up to which a worker has slots for all that arrive."""
LAST_CALLS = 5.0
"""Seconds to settle remaining leaders when the worker ends. Those that are not settled lapse."""


class RedisCoalescer:
    """worker: this process's unique name in the set of live workers.

    embedding: the model of the vectors. conflict: why two texts that look alike have different answers, or None.
    reported: whether two fingerprints were reported as a wrong match.
    lease: seconds for which a claim counts as a heartbeat. counters: of anomalies.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        worker: str,
        embedding: str,
        conflict: Conflict,
        reported: Reported = lambda _, __: False,
        lease: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._embedding = embedding
        self._clock = clock
        self._feed = Feed(redis, keys, worker_id=worker, embedding_id=embedding, lease=lease)
        self.counters: Counter[str] = self._feed.counters
        self._own = OwnLeaders(self._feed, worker, self.counters)
        self._dropped = Dropped()
        self._followers = Followers(self._feed, self._dropped, is_live=self._is_live)
        self._replica = FeedReplica(
            self._feed,
            lambda: View(embedding, conflict, reported=reported, dropped=self._dropped),
            clock=clock,
            changed=self._changed,
            reloaded=self._own.reloaded,
            at_rest=self._at_rest,
            counters=self.counters,
        )
        self._claim_batches = ClaimBatches(self._feed, self._replica, self._own, clock=clock)
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._replica.catch_up()
        for work in (self._replica.keep_up(), self._followers.look_out(), self._tend()):
            self._tasks.append(asyncio.create_task(work))
        return self

    async def __aexit__(self, *exc: object) -> None:
        """The followers of this worker's leaders claim again."""
        await self._claim_batches.close()
        await stop(*self._tasks)
        self._own.abandon_all()
        try:
            async with asyncio.timeout(LAST_CALLS):
                await self._own.tend(self._clock() + PIPELINE_SECONDS)
        except TROUBLE as error:
            log.warning("inflight.left_to_lapse", error=str(error))

    @property
    def leading(self) -> int:
        """Questions for which this worker is calling the LLM, and which others may follow."""
        return self._own.leading

    @property
    def following(self) -> int:
        """Questions of this worker that wait for a leader."""
        return self._followers.count

    def position(self) -> tuple[int, ...]:
        """The current position, to be taken before the caches are read."""
        return tuple(shard.view.tick for shard in self._replica.shards)

    def join(self, asks: Sequence[Ask]) -> list[Follow | None]:
        """Questions that match a leader in the view follow it. No I/O."""
        now = self._clock()
        joined: list[Follow | None] = [None] * len(asks)
        by_shard: dict[int, list[int]] = defaultdict(list)
        for at, ask in enumerate(asks):
            by_shard[shard_of(ask.scope)].append(at)
        for number, indexes in by_shard.items():
            view = self._replica.shards[number].view
            claims = [self._new_claim(asks[at], view.tick) for at in indexes]
            for at, follow in zip(indexes, view.match(claims, now), strict=True):
                joined[at] = follow
        return joined

    async def claim(self, ask: Ask, position: tuple[int, ...]) -> Lead | Follow | Stale:
        """Must be called while holding an LLM turn. Raises RedisError if Redis stays away."""
        number = shard_of(ask.scope)
        return await self._claim_batches.claim(number, self._new_claim(ask, position[number]))

    def settling(
        self, lead: Lead, settlement: Settlement, body: dict[str, Any] | None, *, reusable: float = 0.0
    ) -> Sequence[Any]:
        """The arguments that settle this leader (settle_leader.lua), after storing and before publishing.

        reusable: seconds for which later questions may use the answer (at most 120). Only for answers cached for at
        least as long: it bridges the time until their vector can be found.
        """
        settled = Settled(SHARED_WITH[settlement], body, reusable)
        due = self._clock() + PIPELINE_SECONDS
        settling = self._own.settle(lead.leader, lead.scope, settled, due=due)
        return self._feed.settling(settling)

    def drop_answer(self, fingerprint: str, at: float) -> None:
        """The answer to this question was dropped from the cache, so later questions must not get it.

        at: Unix ms of Redis's clock.
        """
        self._dropped.add(fingerprint, at)
        for shard in self._replica.shards:
            shard.view.drop_answer(fingerprint)

    def abandon(self, lead: Lead) -> None:
        """Frees the followers, in the background."""
        self._own.abandon(lead.leader, lead.scope)

    async def wait(self, follow: Follow) -> Shared | Freed | AskYourself:
        """Waits until the leader has an outcome or is gone."""
        self._replica.hurry()
        return await self._followers.wait(follow)

    def _new_claim(self, ask: Ask, position: int) -> Claimant:
        vector = None if ask.vector is None else quantised(ask.vector)
        text = "" if vector is None else ask.text
        name = self._own.new_name()
        leader = Leader(name, ask.fingerprint, ask.scope, ask.epochs, text, self._embedding, vector, ask.slow)
        return Claimant(ask, leader, position)

    def _at_rest(self) -> bool:
        return self._own.leading <= FEW and not self._followers.count

    def _is_live(self, follow: Follow) -> bool:
        return self._replica.shards[shard_of(follow.scope)].view.is_live(follow.leader)

    def _changed(self, change: Change) -> None:
        self._own.seen(change)
        if isinstance(change, Ended):
            self._followers.ended(change.leader)

    async def _tend(self) -> None:
        """Runs once a second, and at once if something waits for it."""
        while True:
            try:
                async with asyncio.timeout(PERIOD):
                    await self._own.urgent.wait()
            except TimeoutError:
                await self._quietly(self._replica.check())
            self._own.urgent.clear()
            await self._quietly(self._own.tend(self._clock()))

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        """Logs errors: the work is retried within a second, and an error would end `_tend` unnoticed."""
        try:
            await work
        except Exception as error:  # noqa: BLE001
            log.warning("inflight.redis_away", error=type(error).__name__, where=place(error))

"""Near-duplicates in flight, over any number of workers, make one call of the LLM.

The claimant alone decides. It compares its questions with all the leaders it knows, and appends those that match none
to the shard's feed by compare-and-append. If another leader came first, the reply says which; the claimant compares
with that one and tries again. Two workers may judge a pair differently: one of them still comes second, and follows or
leads. They never both wait.

This is simpler than a log of claims that all workers replay: no two workers have to agree. Endings do not count as news
for a claim, since the followers of a leader that has just settled get its answer too. Followers read the outcome from
Redis; the feed only says when.
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
"""Questions that a worker asks the LLM while it has slots enough for all that come."""
LAST_CALLS = 5.0
"""Seconds for what is left to settle when the worker ends: what is not settled lapses."""


class RedisCoalescer:
    """worker: the name under which this process is in the set of live workers, and no other.

    embedding: the model of the vectors. conflict: why two texts that look alike have different answers, or None.
    reported: whether two fingerprints were reported as a wrong match.
    lease: seconds for which a claim shows that the worker lives. counters: what went otherwise than it should.
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
        """Questions that this worker asks the LLM, and that others may follow."""
        return self._own.leading

    @property
    def following(self) -> int:
        """Questions of this worker that wait for a leader."""
        return self._followers.count

    def position(self) -> tuple[int, ...]:
        """To be noted before the caches are looked into."""
        return tuple(shard.view.tick for shard in self._replica.shards)

    def join(self, asks: Sequence[Ask]) -> list[Follow | None]:
        """What matches a leader in the view follows it. No I/O."""
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
        """To be called while holding a turn at the LLM. Raises RedisError where Redis stays away."""
        number = shard_of(ask.scope)
        return await self._claim_batches.claim(number, self._new_claim(ask, position[number]))

    def settling(
        self, lead: Lead, settlement: Settlement, body: dict[str, Any] | None, *, reusable: float = 0.0
    ) -> Sequence[Any]:
        """What settles this leader (settle_leader.lua): after the storing, before the publishing.

        reusable: seconds for which questions that come later may have the answer, too (at most 120). Only for what is
        in the cache for as long: it bridges the time until the vector can be found there.
        """
        settled = Settled(SHARED_WITH[settlement], body, reusable)
        due = self._clock() + PIPELINE_SECONDS
        settling = self._own.settle(lead.leader, lead.scope, settled, due=due)
        return self._feed.settling(settling)

    def drop_answer(self, fingerprint: str, at: float) -> None:
        """The answer to this question was dropped from the cache: questions that come later do not have it.

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
        """Once a second, and at once where somebody waits for it."""
        while True:
            try:
                async with asyncio.timeout(PERIOD):
                    await self._own.urgent.wait()
            except TimeoutError:
                await self._quietly(self._replica.check())
            self._own.urgent.clear()
            await self._quietly(self._own.tend(self._clock()))

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        """It is done again within a second. An error must not end `_tend`, and would not be noticed."""
        try:
            await work
        except Exception as error:  # noqa: BLE001
            log.warning("inflight.redis_away", error=type(error).__name__, where=place(error))

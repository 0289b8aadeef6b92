"""Sends one worker's claims to Redis, one batch at a time per shard. Claims that arrive meanwhile go into the next
batch."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from askonce.store.away import AWAY
from askonce.tasks import stop
from askonce_worker.answering.coalescing import Lead
from askonce_worker.inflight.feed import Feed
from askonce_worker.inflight.feed_replica import FeedReplica
from askonce_worker.inflight.leader import Claimant
from askonce_worker.inflight.own import OwnLeaders
from askonce_worker.inflight.rounds import Decision, Round

MOST_CLAIMS = 64
"""Maximum claims in one batch of a shard."""
RETRIED_FOR = 5.0
"""Seconds for which a batch is retried while Redis is away."""


class ClaimBatches:
    def __init__(self, feed: Feed, replica: FeedReplica, own: OwnLeaders, *, clock: Callable[[], float]) -> None:
        self._feed = feed
        self._replica = replica
        self._own = own
        self._clock = clock
        self._waiting: dict[int, list[Claimant]] = defaultdict(list)
        self._decisions: dict[str, asyncio.Future[Decision]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def claim(self, number: int, claim: Claimant) -> Decision:
        decision: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        self._decisions[claim.leader.id] = decision
        self._waiting[number].append(claim)
        if number not in self._tasks:
            self._tasks[number] = asyncio.create_task(self._claim_all(number))
        try:
            return await decision
        except asyncio.CancelledError:
            answered = decision.done() and not decision.cancelled() and decision.exception() is None
            if answered and isinstance(decision.result(), Lead):
                self._own.abandon(claim.leader.id, claim.leader.scope)
            raise

    async def close(self) -> None:
        await stop(*self._tasks.values())

    async def _claim_all(self, number: int) -> None:
        batch: list[Claimant] = []
        try:
            while self._waiting[number]:
                batch = [claim for claim in self._waiting[number][:MOST_CLAIMS] if self._is_wanted(claim)]
                del self._waiting[number][:MOST_CLAIMS]
                try:
                    await self._decide(number, batch)
                except Exception as error:  # noqa: BLE001 - the callers get it
                    self._fail(batch, error)
        except asyncio.CancelledError:
            self._fail([*batch, *self._waiting.pop(number, [])], None)
            raise
        finally:
            del self._tasks[number]

    async def _decide(self, number: int, batch: list[Claimant]) -> None:
        undecided = Round(self._replica.shards[number].view, batch)
        give_up = self._clock() + RETRIED_FOR
        pause = 0.0
        while True:
            try:
                if await self._step(number, undecided):
                    return
            except AWAY:
                # The script may have run: only Redis knows whether these lead.
                self._replica.shards[number].broken = True
                if self._clock() >= give_up:
                    raise
                pause = min(0.5, pause * 2 + 0.02)
                await asyncio.sleep(pause)

    async def _step(self, number: int, undecided: Round) -> bool:
        """True: all are decided. There must be no `await` between comparing and recording the position compared
        with."""
        shard = self._replica.shards[number]
        if shard.broken:
            await self._replica.catch_up()
        for claim, decision in undecided.decide(self._clock()):
            self._tell(claim, decision)
        if not undecided.proposals:
            return True
        leaders = [claim.leader for claim in undecided.proposals]
        for leader in leaders:
            self._own.propose(leader)
        reply = await self._feed.lead(number, shard.position, leaders)
        if reply.gap:
            shard.broken = True
            return False
        self._replica.apply(number, reply.records)
        if not reply.appended:
            self._replica.hurry()
        else:
            for claim, decision in undecided.appended():
                self._tell(claim, decision)
        return reply.appended

    def _is_wanted(self, claim: Claimant) -> bool:
        wanted = not self._decisions[claim.leader.id].done()
        if not wanted:
            del self._decisions[claim.leader.id]
        return wanted

    def _tell(self, claim: Claimant, decision: Decision) -> None:
        name, future = claim.leader.id, self._decisions.pop(claim.leader.id)
        if isinstance(decision, Lead):
            self._own.leads(name)
            if future.done():
                self._own.abandon(name, claim.leader.scope)
        else:
            self._own.withdraw(name)
        if not future.done():
            future.set_result(decision)

    def _fail(self, claims: list[Claimant], error: Exception | None) -> None:
        """Claims that may have reached Redis anyway are settled, now or when they appear."""
        for claim in claims:
            future = self._decisions.pop(claim.leader.id, None)
            if future is None:
                continue
            self._own.abandon(claim.leader.id, claim.leader.scope)
            if error is None:
                future.cancel()
            elif not future.done():
                future.set_exception(error)

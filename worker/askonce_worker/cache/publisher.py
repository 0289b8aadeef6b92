"""Delivers answers: stored, sent to followers and published, in this order and in one round trip.

Answers that a worker's jobs finish during one round trip to Redis go out together in the next. While Redis is away,
answers are kept and resent until Redis accepts them, because they were paid for. Sending one twice has no effect.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from askonce.contract.keys import Keys
from askonce.store.away import AWAY, TROUBLE
from askonce.store.kept_scopes import KEEP_SCOPES
from askonce.store.scripts import Script, load
from askonce.tasks import stop
from askonce_worker.answering import chunk_end, chunk_log
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.cache.fresh_counts import FreshCounts
from askonce_worker.cache.outgoing import Batch, Packing, Parcel
from askonce_worker.logs.error_origin import place
from askonce_worker.providers.call_counts import CallCounts, CountsReport
from askonce_worker.queue.job_keys import JOB_PREFIXES, ending, ending_keys

log = structlog.get_logger()

DELIVER = Script("askonce_worker.cache", "deliver")

AGAIN = 1.0
"""Seconds between tries while Redis is away."""
HAS_ROOM = 0.5
"""Seconds for which Redis counts as having room after a check showed ample room: checking takes longer than storing."""
LAST_FLUSH = 5.0
"""Seconds for which a stopping worker tries to deliver."""


@dataclass(frozen=True, slots=True)
class Replies:
    """Replies of the scripts. published: whether each result replaced its pending marker. ended: whether each job
    ended."""

    published: Sequence[int]
    ended: Sequence[int]


class Publisher:
    """Stores, settles and publishes.

    Args:
        redis: The connection.
        keys: Names of the keys.
        worker: This worker's name.
        counts: Counters of this worker's calls, sent with the answers.
        embedding: The model of the vectors.
        cache_ttl: Seconds for which an entry lives.
        result_ttl: Seconds for which a result lives.
        outbox_max: Vectors that may wait for Qdrant.
        compress: Whether large entries are compressed.
        on_published: Each is called with the answers that replaced pending markers.
        stage: Observes the time it takes.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        *,
        worker: str,
        counts: CallCounts,
        embedding: str,
        cache_ttl: float,
        result_ttl: float,
        outbox_max: int,
        compress: bool,
        on_published: Sequence[Callable[[list[Finished]], None]] = (),
        stage: Stage = unobserved,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._worker = worker
        self._counts = counts
        self._result_ttl = result_ttl
        self._outbox_max = outbox_max
        self._on_published = on_published
        self._stage = stage
        self._fresh = FreshCounts(redis, keys)
        self._has_room_until = 0.0
        self._packing = Packing(cache_ttl=cache_ttl, embedding=embedding, compress=compress)
        self._waiting: deque[Parcel] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def send(
        self,
        finished: Sequence[Finished],
        *,
        entries: Sequence[NewEntry] = (),
        settle: Sequence[Any] = (),
    ) -> None:
        """Returns once Redis has accepted it all. Cancelling the caller does not withdraw its parcel."""
        job, last = chunk_end.handed_over(item.question.job_id for item in finished)
        parcel = Parcel(entries, finished, settle, job, last)
        self._waiting.append(parcel)
        for item in finished:
            if item.answer.unmatched is not None:
                self._counts.unmatched(item.question, item.answer.unmatched)
            if item.answer.waited is not None:
                self._counts.waited(item.question)
        chunk_log.note(finished)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        with self._stage("publish", questions=len(finished)):
            await asyncio.shield(parcel.done)

    async def aclose(self) -> None:
        """Sends what is waiting, and counts not yet sent with an answer. Gives up after a while."""
        try:
            async with asyncio.timeout(LAST_FLUSH):
                if self._counts.report().counts:
                    await self.send(())
                if self._sender is not None:
                    await asyncio.wait({self._sender})
                await self._fresh.flush()
        except TROUBLE as error:
            log.warning("publish.given_up", error=type(error).__name__, parcels=len(self._waiting))
        finally:
            await self._fresh.aclose()
            if self._sender is not None:
                await stop(self._sender)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._deliver(self._packing.next_batch(self._waiting))
        except asyncio.CancelledError:
            self._fail(self._waiting, ConnectionError("the worker stops"))
            raise

    async def _deliver(self, batch: Batch) -> None:
        report = self._counts.report()
        try:
            replies = await self._delivered(batch, report)
        except asyncio.CancelledError:
            self._fail(batch.parcels, ConnectionError("the worker stops"))
            raise
        except Exception as error:  # noqa: BLE001 - it is the callers' to deal with
            self._fail(batch.parcels, error)
            return
        finally:
            for job in batch.ends:
                job.end.under_way = False
        self._counts.taken(report)
        self._fresh.noted(len(batch.items) + bool(report.counts))
        for job, ended in zip(batch.ends, replies.ended, strict=True):
            job.end.done = bool(ended)
        for parcel in batch.parcels:
            if parcel.is_sent and not parcel.done.done():
                parcel.done.set_result(None)
        if batch.items:
            self._tell([item for item, taken in zip(batch.items, replies.published, strict=True) if taken])

    def _tell(self, published: list[Finished]) -> None:
        for told in self._on_published:
            try:
                told(published)
            except Exception as error:  # noqa: BLE001 - what only looks on must hold up no answer
                log.error("publish.not_told", error=type(error).__name__, where=place(error))

    async def _delivered(self, batch: Batch, report: CountsReport) -> Replies:
        """Resends until Redis accepts, however long it is away."""
        while True:
            try:
                return await self._sent(batch, report)
            except AWAY as error:
                log.warning("publish.redis_away", error=type(error).__name__, parcels=len(batch.parcels))
            await asyncio.sleep(AGAIN)

    async def _sent(self, batch: Batch, report: CountsReport) -> Replies:
        for job in batch.ends:
            job.end.under_way = True
        while True:
            replies = await self._pipeline(batch, report).execute(raise_on_error=False)
            if not any(isinstance(reply, NoScriptError) for reply in replies):
                break
            await load(self._redis, DELIVER, KEEP_SCOPES)
        parts = replies[-1] if isinstance(replies[-1], list) else []
        for reply in (*replies, *parts):
            if isinstance(reply, Exception):
                raise reply
        stored, _, published = parts
        if stored is not None and stored[0]:
            self._has_room_until = time.monotonic() + HAS_ROOM
        return Replies(published[: len(batch.items)], published[len(batch.items) :])

    def _pipeline(self, batch: Batch, report: CountsReport) -> Any:
        """Each step may run twice without effect on a result, a settled leader, an entry or a report."""
        kept = self._keys
        pipe = self._redis.pipeline(transaction=False)
        if batch.scopes:
            pipe.evalsha(KEEP_SCOPES.sha, 0, kept.scope(""), *batch.scopes)
        keys = [kept.stats("fresh"), kept.epochs, kept.touched, kept.outbox, kept.expiries, kept.snapshot_runs]
        keys += ending_keys(kept)
        stored: list[Any] = []
        if batch.stored:
            looks = "1" if time.monotonic() >= self._has_room_until else ""
            stored = [kept.entry(""), self._outbox_max, looks, *batch.stored]
        ends = [argument for job in batch.ends for argument in ending(job)]
        published = [*self._publish_head(report), *JOB_PREFIXES, len(batch.ends), *batch.published, *ends]
        parts: list[Any] = [len(stored), len(batch.settled), *stored, *batch.settled, *published]
        pipe.evalsha(DELIVER.sha, len(keys), *keys, *parts)
        return pipe

    def _publish_head(self, report: CountsReport) -> list[Any]:
        tally = f"calls {self._worker} {report.number}" if report.counts else ""
        return [
            f"{self._keys.prefix}:result:",
            self._keys.answered(""),
            int(self._result_ttl * 1000),
            tally,
            orjson.dumps({"counts": report.counts}) if tally else "",
        ]

    def _fail(self, parcels: Sequence[Parcel] | deque[Parcel], error: Exception) -> None:
        for parcel in parcels:
            parcel.fail(error)
        if self._waiting and self._waiting[0].done.done():
            self._waiting.popleft()  # the rest of one that has failed

"""The way out: what is known is stored, told to followers and published, in this order and in one round trip.

Whatever the jobs of a worker finish within one round trip to Redis goes out with the next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from askonce.contract.counters import tokens
from askonce.contract.keys import Keys, epoch_fields
from askonce.contract.result import result_record
from askonce.store.away import AWAY, TROUBLE
from askonce.store.scripts import Script, load
from askonce.tasks import stop
from askonce_worker.answering import chunk_log
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.providers.call_counts import CallCounts, CountsReport

log = structlog.get_logger()

STORE = Script("askonce_worker.cache", "store")
PUBLISH = Script("askonce_worker.cache", "publish")

AGAIN = 1.0
"""Seconds from one try to the next, while Redis is away."""
LAST_FLUSH = 5.0
MOST_AT_ONCE = 256
"""Results in one script call: a longer script would keep other clients of Redis waiting."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one call of `send` hands over. settle: adds the settling of a leader to the pipeline."""

    entries: Sequence[NewEntry]
    finished: Sequence[Finished]
    settle: Callable[[Any], None] | None
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Publisher:
    """cache_ttl, result_ttl: seconds. outbox_max: vectors that may wait for Qdrant. counts: of this worker's calls.
    embedding: the model of the vectors. scripts: what parcels bring beside our own. on_published: told of answers that
    went over pending markers, many at a time.
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
        scripts: Sequence[Script] = (),
        on_published: Callable[[list[Finished]], None] | None = None,
        stage: Stage = unobserved,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._worker = worker
        self._call_counts = counts
        self._embedding = embedding
        self._cache_ttl = cache_ttl
        self._result_ttl = result_ttl
        self._outbox_max = outbox_max
        self._scripts = scripts
        self._on_published = on_published
        self._stage = stage
        self._waiting: list[Parcel] = []
        self._sender: asyncio.Task[None] | None = None

    async def send(
        self,
        finished: Sequence[Finished],
        *,
        entries: Sequence[NewEntry] = (),
        settle: Callable[[Any], None] | None = None,
    ) -> None:
        """Returns once Redis has taken it all. A caller that is cancelled does not take its parcel back."""
        parcel = Parcel(entries, finished, settle)
        self._waiting.append(parcel)
        for item in finished:
            if item.answer.unmatched is not None:
                self._call_counts.unmatched(item.question, item.answer.unmatched)
        chunk_log.note(finished)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_all())
        with self._stage("publish", questions=len(finished)):
            await asyncio.shield(parcel.done)

    async def aclose(self) -> None:
        """Sends what still waits, and what was counted and had no answer to go out with; or gives up after a while."""
        try:
            async with asyncio.timeout(LAST_FLUSH):
                if self._call_counts.report().counts:
                    await self.send(())
                if self._sender is not None:
                    await asyncio.wait({self._sender})
        except TROUBLE as error:
            log.warning("publish.given_up", error=type(error).__name__, parcels=len(self._waiting))
        finally:
            if self._sender is not None:
                await stop(self._sender)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                parcels, size = [], 0
                while self._waiting and size < MOST_AT_ONCE:
                    parcel = self._waiting.pop(0)
                    parcels.append(parcel)
                    size += len(parcel.finished) + len(parcel.entries)
                await self._deliver(parcels)
        except asyncio.CancelledError:
            self._fail(self._waiting, ConnectionError("the worker stops"))
            raise

    async def _deliver(self, parcels: list[Parcel]) -> None:
        report = self._call_counts.report()
        try:
            replies = await self._sent(parcels, report)
        except AWAY as error:
            # What was paid for is not given up, however long Redis is away: to do it again changes nothing.
            log.warning("publish.redis_away", error=type(error).__name__, parcels=len(parcels))
            self._waiting[:0] = parcels
            await asyncio.sleep(AGAIN)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            self._fail(parcels, error)
        except asyncio.CancelledError:
            self._fail(parcels, ConnectionError("the worker stops"))
            raise
        else:
            self._call_counts.taken(report)
            for parcel in parcels:
                if not parcel.done.done():
                    parcel.done.set_result(None)
            self._tell(parcels, replies)

    async def _sent(self, parcels: list[Parcel], report: CountsReport) -> list[Any]:
        try:
            replies: list[Any] = await self._pipeline(parcels, report).execute()
        except NoScriptError:
            await load(self._redis, STORE, PUBLISH, *self._scripts)
            replies = await self._pipeline(parcels, report).execute()
        return replies

    def _tell(self, parcels: list[Parcel], replies: list[Any]) -> None:
        finished = [item for parcel in parcels for item in parcel.finished]
        if finished and self._on_published is not None:
            self._on_published([item for item, taken in zip(finished, replies[-1], strict=True) if taken])

    def _pipeline(self, parcels: list[Parcel], report: CountsReport) -> Any:
        """Each step may run twice: a result, a settled leader, an entry and a tally are what they were."""
        pipe = self._redis.pipeline(transaction=False)
        entries = [entry for parcel in parcels for entry in parcel.entries]
        if entries:
            kept = self._keys
            keys = [kept.epochs, kept.touched, kept.outbox, kept.expiries, kept.snapshots]
            pipe.evalsha(STORE.sha, len(keys), *keys, *self._store_args(entries))
        for parcel in parcels:
            if parcel.settle is not None:
                parcel.settle(pipe)
        finished = [item for parcel in parcels for item in parcel.finished]
        if finished or report.counts:
            keys = [self._keys.stats("total"), self._keys.touched, self._keys.tally(self._worker)]
            pipe.evalsha(PUBLISH.sha, len(keys), *keys, *self._publish_args(finished, report))
        return pipe

    @staticmethod
    def _fail(parcels: list[Parcel], error: Exception) -> None:
        for parcel in parcels:
            if not parcel.done.done():
                parcel.done.set_exception(error)
                parcel.done.exception()  # a caller that has gone does not make it 'never retrieved'

    def _store_args(self, entries: Sequence[NewEntry]) -> list[Any]:
        args: list[Any] = [self._keys.entry(""), self._outbox_max]
        for entry in entries:
            args += self._entry_args(entry)
        return args

    def _entry_args(self, entry: NewEntry) -> list[Any]:
        question = entry.question
        ttl = question.ttl if question.ttl is not None else self._cache_ttl
        facts = {
            "scope": question.scope,
            "epochs": entry.epochs,
            "model": question.model,
            "namespace": question.namespace,
            "embedding": self._embedding,
        }
        named = entry.body.get("model")
        snapshot = named[:200] if isinstance(named, str) else ""
        # Upkeep reads what stands before the question, and no further.
        record = {
            **facts,
            "semantic": entry.semantic,
            "snapshot": snapshot,
            "question": question.text,
            "body": entry.body,
        }
        return [
            question.fingerprint,
            orjson.dumps(record)[1:],
            max(1000, int(ttl * 1000)),
            entry.epochs,
            "\n".join(epoch_fields(question.namespace or "", question.model or "")),
            b"" if entry.vector is None else entry.vector.tobytes(),
            orjson.dumps(facts)[1:],
            snapshot,
            entry.asked_ms,
        ]

    def _publish_args(self, finished: Sequence[Finished], report: CountsReport) -> list[Any]:
        args: list[Any] = [
            f"{self._keys.prefix}:result:",
            self._keys.answered(""),
            self._keys.stats("hour:"),
            int(self._result_ttl * 1000),
            report.number,
            len(report.counts),
        ]
        for name, count in report.counts.items():
            args += (name, count)
        for item in finished:
            question, answer = item.question, item.answer
            counter = f"{answer.source or answer.status}|{question.namespace}|{question.model}"
            job = f"{question.namespace}:{question.job_id}"
            identity = question.fingerprint if question.text else ""
            tokens_in, tokens_out, _ = tokens(None if answer.source == "llm" else answer.body)
            args += (job, identity, result_record(answer, question), counter, item.hit or "", tokens_in, tokens_out)
        return args

"""The queue of answers for Redis. Batches are bounded in bytes as well as in number.

An answer may be megabytes long. A batch holds one such answer, or many small ones, so neither the worker's memory nor
the duration of a script depends on how many large answers arrive at once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from askonce.contract.counters import tokens
from askonce.contract.keys import epoch_fields
from askonce.contract.records import write_record
from askonce.contract.result import result_record
from askonce.store.kept_scopes import KeptScopes
from askonce_worker.answering.ports import Finished, NewEntry
from askonce_worker.cache.snapshot_runs import SnapshotRuns
from askonce_worker.queue.leased_job import LeasedJob

MOST_AT_ONCE = 256
"""Maximum results and entries in one batch: a longer script would delay other clients of Redis."""
MOST_BYTES = 2_097_152
"""Maximum bytes of a batch before its last record."""


@dataclass(slots=True)
class Parcel:
    """The content of one call of `send`.

    settle: the arguments that settle a leader, if there is one. job: the answers' job. last: it ends with them. begun:
    entries and settling are sent or in flight. sent: how many of `finished` are.
    """

    entries: Sequence[NewEntry]
    finished: Sequence[Finished]
    settle: Sequence[Any]
    job: LeasedJob | None = None
    last: bool = False
    done: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    begun: bool = False
    sent: int = 0

    @property
    def is_sent(self) -> bool:
        return self.begun and self.sent == len(self.finished)

    def fail(self, error: Exception) -> None:
        if self.job is not None:
            self.job.end.spoiled = True
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # so that asyncio does not report 'never retrieved' after its caller has gone


@dataclass(slots=True)
class Batch:
    """The content of one round trip.

    scopes, stored, settled, published: the scripts' arguments. parcels: those included in part or whole. ends: jobs
    whose last answers are included.
    """

    parcels: list[Parcel] = field(default_factory=list)
    scopes: list[Any] = field(default_factory=list)
    stored: list[Any] = field(default_factory=list)
    settled: list[Any] = field(default_factory=list)
    published: list[Any] = field(default_factory=list)
    items: list[Finished] = field(default_factory=list)
    ends: list[LeasedJob] = field(default_factory=list)
    records: int = 0
    size: int = 0

    @property
    def is_full(self) -> bool:
        return self.records >= MOST_AT_ONCE or self.size >= MOST_BYTES

    def count(self, size: int) -> None:
        self.records += 1
        self.size += size


class Packing:
    """Builds the scripts' arguments. cache_ttl: seconds. embedding: the model of the vectors. compress: whether to
    compress large entries."""

    def __init__(self, *, cache_ttl: float, embedding: str, compress: bool) -> None:
        self._cache_ttl = cache_ttl
        self._embedding = embedding
        self._compress = compress
        self._kept_scopes = KeptScopes()
        self._runs = SnapshotRuns()

    def next_batch(self, waiting: deque[Parcel]) -> Batch:
        """Takes the first parcels, or the next part of the first one. At least one must be waiting.

        A parcel that cannot be serialised fails without holding up others.
        """
        batch = Batch()
        while waiting and not batch.is_full:
            parcel = waiting[0]
            batch.parcels.append(parcel)
            try:
                self._pack(batch, parcel)
            except Exception as error:  # noqa: BLE001 - it is its caller's to deal with
                parcel.fail(error)
                waiting.popleft()
                continue
            if parcel.is_sent:
                waiting.popleft()
        return batch

    def _pack(self, batch: Batch, parcel: Parcel) -> None:
        if not parcel.begun:
            self._begin(batch, parcel)
        while parcel.sent < len(parcel.finished) and not batch.is_full:
            self._publish(batch, parcel.finished[parcel.sent])
            parcel.sent += 1
        if parcel.is_sent and parcel.last and parcel.job is not None and not parcel.job.end.spoiled:
            batch.ends.append(parcel.job)

    def _begin(self, batch: Batch, parcel: Parcel) -> None:
        """Adds entries and settling before the first result, in the same round trip."""
        parcel.begun = True
        for entry in parcel.entries:
            arguments = self._entry(entry)
            batch.stored += arguments
            batch.scopes += self._kept_scopes.note(entry.question, entry.question.ttl or self._cache_ttl)
            batch.count(len(arguments[1]))
            if parcel.settle:
                batch.size += len(arguments[1])  # followers get the answer, too
        batch.settled += parcel.settle

    def _publish(self, batch: Batch, item: Finished) -> None:
        question, answer = item.question, item.answer
        counter = f"{answer.source or answer.status}|{question.namespace}|{question.model}"
        job = f"{question.namespace}:{question.job_id}"
        identity = question.fingerprint if question.text else ""
        tokens_in, tokens_out, _ = tokens(None if answer.source == "llm" else answer.body)
        record = result_record(answer, question)
        batch.published += (job, identity, record, counter, item.hit or "", tokens_in, tokens_out)
        batch.items.append(item)
        batch.count(len(record))

    def _entry(self, entry: NewEntry) -> list[Any]:
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
        snapshot = " ".join(named[:200].split()) if isinstance(named, str) else ""
        # Upkeep only reads what comes before the question.
        head = {**facts, "semantic": entry.semantic, "snapshot": snapshot}
        if question.schema is not None:
            head["valid"] = True  # nothing else of such a question is stored
        record = {**head, "question": question.text, "body": entry.body}
        return [
            question.fingerprint,
            write_record(record, compressed=self._compress)[1:],
            max(1000, int(ttl * 1000)),
            entry.epochs,
            "\n".join(epoch_fields(question.namespace or "", question.model or "")),
            b"" if entry.vector is None else entry.vector.tobytes(),
            orjson.dumps(facts)[1:],
            self._runs.answered(question.model or "", snapshot) if snapshot else "",
            entry.asked_ms,
        ]

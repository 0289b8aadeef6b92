"""The exact tier: entries in Redis under the fingerprint of their question."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from askonce.contract.keys import ARQ_JOB, Keys, epoch_fields, epoch_stamp
from askonce.contract.pending import read_pending
from askonce.contract.records import Body, open_record
from askonce.question import Question
from askonce.readable import text_of, time_of
from askonce.replies.shapes import reply_of
from askonce_worker.answering.chunk_end import left_out, seen
from askonce_worker.answering.ports import Entry, LiveEntries, QuestionState
from askonce_worker.answering.schema_check import CheckSchema, unchecked
from askonce_worker.cache.entry_reader import SMALL, EntryReader
from askonce_worker.cache.wrong_pairs import ReportedPairs
from askonce_worker.logs.unreadable import Refusals

FINGERPRINT_AT = len('{"fingerprint":"')
Read = tuple[Sequence[bytes], Sequence[bytes | None], dict[str, str]]
"""Markers and entries of questions, and epoch stamps by model."""
PENDING_AT = len('{"fingerprint":"') + 43 + len('",')


class ExactCache:
    """reported: updated from Redis by each lookup. check_schema: for entries not yet known to fit a schema."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        reported: ReportedPairs | None = None,
        refusals: Refusals | None = None,
        check_schema: CheckSchema = unchecked,
    ) -> None:
        self._check_schema = check_schema
        self._redis = redis
        self._keys = keys
        self._reported = reported or ReportedPairs(keys)
        self._refusals = refusals or Refusals()
        self._reader = EntryReader(redis, keys)

    async def look_up(self, questions: Sequence[Question], job: str = "") -> list[QuestionState]:
        """Markers, entries and epochs of questions of one namespace, in one round trip, or none if the claim read them.

        job: `lane:job`. A question submitted again, among new ones, belongs to its first job as long as that exists,
        and is not pending in this one. Otherwise two workers would ask it, and questions that never follow would be
        paid for twice.
        """
        read = self._claimed(questions[0]) if job and len(questions) == 1 else None
        markers, entries, epochs = read or await self._read_all(questions)
        if job:
            elsewhere = await self._elsewhere(questions, markers, _names(job))
            markers = [b"" if at in elsewhere else marker for at, marker in enumerate(markers)]
        known = [
            await self._known(question, marker, entry, epochs[question.model or ""])
            for question, marker, entry in zip(questions, markers, entries, strict=True)
        ]
        left_out(question.job_id for question, state in zip(questions, known, strict=True) if not state.pending)
        return known

    def _claimed(self, question: Question) -> Read | None:
        """What the claim of the question's job read. None: it must be read now."""
        found = seen()
        if found is None or not self._reported.is_current(found.wrong, found.dropped) or len(found.entry) > SMALL:
            return None
        whose = (question.namespace, question.job_id, question.model)
        if tuple(part.decode("utf-8", "replace") for part in (found.namespace, found.job_id, found.model)) != whose:
            return None
        own = found.marker.startswith(question.fingerprint.encode(), FINGERPRINT_AT)
        entry = found.entry if own and found.entry else None
        return [found.marker], [entry], {question.model or "": epoch_stamp(found.epochs)}

    async def _read_all(self, questions: Sequence[Question]) -> Read:
        namespace, models = _whose(questions)
        fingerprints = [question.fingerprint for question in questions]

        def ask(pipe: Any) -> None:
            self._reader.ask_markers(pipe, namespace, [question.job_id or "" for question in questions])
            self._reader.ask_entries(pipe, fingerprints)
            self._ask_epochs(pipe, namespace, models)
            self._reported.ask(pipe)

        markers, found, *stamps, wrong, dropped = await self._reader.run(ask)
        entries = await self._reader.complete(fingerprints, found)
        while self._reported.take(wrong, dropped):
            more = self._redis.pipeline(transaction=False)
            self._reported.ask(more)
            wrong, dropped = await more.execute()
        epochs = {model: epoch_stamp(stamp) for model, stamp in zip(models, stamps, strict=True)}
        return markers, entries, epochs

    async def _elsewhere(
        self, questions: Sequence[Question], markers: Sequence[bytes], jobs: Sequence[bytes]
    ) -> set[int]:
        """Indexes of questions that wait in other jobs. Takes a further round trip if there are any."""
        others = {
            at: _job_of(marker)
            for at, marker in enumerate(markers)
            if _is_pending(marker) and not any(job in marker for job in jobs)
        }
        if not others:
            return set()
        pipe = self._redis.pipeline(transaction=False)
        for at, name in others.items():
            pipe.exists(f"{ARQ_JOB}{name}", f"{ARQ_JOB}{name}.{questions[at].job_id}")
        return {at for at, found in zip(others, await pipe.execute(), strict=True) if found}

    async def _known(self, question: Question, marker: bytes, raw: bytes | None, epochs: str) -> QuestionState:
        pending = _is_pending(marker)
        if pending and not marker.startswith(question.fingerprint.encode(), FINGERPRINT_AT):
            # Its answer could never be published, so it must not be paid for.
            self._refusals("question", job=question.job_id, reason="submitted under another fingerprint")
            pending = False
        entry = None
        if raw is not None and question.cache == "use":
            entry = self._read(question.fingerprint, raw)
            if entry is not None and not await self._is_for(question, entry, epochs):
                entry = None
        return QuestionState(pending, epochs, entry)

    async def _is_for(self, question: Question, entry: Entry, epochs: str) -> bool:
        if entry.epochs != epochs or entry.scope != question.scope:
            return False
        if not entry.valid and question.schema is not None:
            await asyncio.sleep(0)  # checking takes time: yield to others between the entries of a chunk
        return self.fits(question, entry)

    def fits(self, question: Question, entry: Entry) -> bool:
        """Whether an entry of the question's scope fits the question's schema."""
        return entry.valid or question.schema is None or self._check_schema(question, entry.body) is None

    async def entries(self, fingerprints: Sequence[str]) -> dict[str, Entry]:
        if not fingerprints:
            return {}
        [found] = await self._reader.run(lambda pipe: self._reader.ask_entries(pipe, fingerprints))
        return self._readable(fingerprints, await self._reader.complete(fingerprints, found))

    async def live_entries(self, fingerprints: Sequence[str], questions: Sequence[Question]) -> LiveEntries:
        """The live entries among these, and the stamps of questions of one namespace; one round trip."""
        namespace, models = _whose(questions)

        def ask(pipe: Any) -> None:
            self._reader.ask_entries(pipe, fingerprints)
            self._ask_epochs(pipe, namespace, models)

        found, *stamps = await self._reader.run(ask)
        raws = await self._reader.complete(fingerprints, found)
        epochs = {model: epoch_stamp(stamp) for model, stamp in zip(models, stamps, strict=True)}
        return LiveEntries(self._readable(fingerprints, raws), [epochs[question.model or ""] for question in questions])

    def _ask_epochs(self, pipe: Any, namespace: str, models: Iterable[str]) -> None:
        for model in models:
            pipe.hmget(self._keys.epochs, list(epoch_fields(namespace, model)))

    def _readable(self, fingerprints: Sequence[str], raws: Sequence[bytes | None]) -> dict[str, Entry]:
        found = {}
        for fingerprint, raw in zip(fingerprints, raws, strict=True):
            entry = None if raw is None else self._read(fingerprint, raw)
            if entry is not None:
                found[fingerprint] = entry
        return found

    def _read(self, fingerprint: str, raw: bytes) -> Entry | None:
        """The entry. None if unreadable: it counts as missing, and the next answer replaces it."""
        entry = read_entry(fingerprint, raw)
        if entry is None:
            self._refusals("entry", fingerprint=fingerprint)
        return entry


def _names(job: str) -> list[bytes]:
    """The names a marker may have for this job: for a part of a split job (`JOB.ID`), also the whole job's."""
    return [f'"job":"{name}"'.encode() for name in dict.fromkeys((job, job.partition(".")[0])) if name]


def _is_pending(marker: bytes) -> bool:
    return marker.startswith(b'"deadline"', PENDING_AT)


def _job_of(marker: bytes) -> str:
    """The job in which it waits; '' if unreadable."""
    try:
        pending = read_pending(marker)
    except ValueError:
        return ""
    return pending.job if pending is not None else ""


def _whose(questions: Sequence[Question]) -> tuple[str, list[str]]:
    """Their namespace, and their models."""
    return questions[0].namespace or "default", list({question.model or "": None for question in questions})


def read_entry(fingerprint: str, raw: bytes) -> Entry | None:
    """The entry, or None for one that cannot be read."""
    try:
        record, frames = open_record(raw)
        return Entry(
            fingerprint=fingerprint,
            question=text_of(record, "question"),
            scope=text_of(record, "scope"),
            epochs=text_of(record, "epochs"),
            created_at=time_of(record, "created_at"),
            expires_at=time_of(record, "expires_at"),
            body=Body(reply_of(record.get("body")), frames.get("body")),
            valid=record.get("valid") is True,
        )
    except ValueError:
        return None

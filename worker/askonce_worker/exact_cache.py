"""The exact tier: entries in Redis under the fingerprint of their question."""

from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from redis.asyncio import Redis

from askonce.keys import Keys, epoch_fields, epoch_stamp
from askonce.question import Question
from askonce_worker.ports import Entry, Known
from askonce_worker.reported import ReportedPairs

log = structlog.get_logger()

PENDING_AT = len('{"fingerprint":"') + 43 + len('",')


class ExactCache:
    """reported: is kept up with Redis by each lookup."""

    def __init__(self, redis: Redis, keys: Keys, reported: ReportedPairs | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._reported = reported or ReportedPairs(keys)

    async def look_up(self, questions: Sequence[Question]) -> list[Known]:
        """Markers, entries and epochs of questions of one namespace, in one round trip."""
        namespace = questions[0].namespace or "default"
        models = {question.model or "": None for question in questions}
        pipe = self._redis.pipeline(transaction=False)
        pipe.mget([self._keys.result(namespace, question.job_id or "") for question in questions])
        pipe.mget([self._keys.entry(question.fingerprint) for question in questions])
        for model in models:
            pipe.hmget(self._keys.epochs, list(epoch_fields(namespace, model)))
        self._reported.ask(pipe)
        markers, entries, *stamps, wrong, dropped = await pipe.execute()
        while self._reported.take(wrong, dropped):
            more = self._redis.pipeline(transaction=False)
            self._reported.ask(more)
            wrong, dropped = await more.execute()
        epochs = {model: epoch_stamp(stamp) for model, stamp in zip(models, stamps, strict=True)}
        return [
            self._known(question, marker, entry, epochs[question.model or ""])
            for question, marker, entry in zip(questions, markers, entries, strict=True)
        ]

    @staticmethod
    def _known(question: Question, marker: bytes | None, raw: bytes | None, epochs: str) -> Known:
        pending = marker is not None and marker.startswith(b'"deadline"', PENDING_AT)
        entry = None
        if raw is not None and question.cache == "use":
            entry = read_entry(question.fingerprint, raw)
            if entry is not None and (entry.epochs != epochs or entry.scope != question.scope):
                entry = None
        return Known(pending, epochs, entry)

    async def entries(self, fingerprints: Sequence[str]) -> dict[str, Entry]:
        if not fingerprints:
            return {}
        raws = await self._redis.mget([self._keys.entry(fingerprint) for fingerprint in fingerprints])
        found = {}
        for fingerprint, raw in zip(fingerprints, raws, strict=True):
            entry = None if raw is None else read_entry(fingerprint, raw)
            if entry is not None:
                found[fingerprint] = entry
        return found


def read_entry(fingerprint: str, raw: bytes) -> Entry | None:
    """The entry, or None for one that cannot be read: it counts as gone, and is replaced by the next answer."""
    try:
        record: dict[str, Any] = orjson.loads(raw)
        body = record["body"]
        body["choices"][0]["message"]
        return Entry(
            fingerprint=fingerprint,
            question=record["question"],
            scope=record["scope"],
            epochs=record["epochs"],
            created_at=record["created_at"],
            expires_at=record["expires_at"],
            body=body,
        )
    except (ValueError, KeyError, TypeError, IndexError):
        log.warning("entry.unreadable", fingerprint=fingerprint)
        return None

"""Answers straight from the cache: no queue, no worker, one round trip for all who ask at the same time."""

from collections.abc import Sequence

from askonce.answer import Answer
from askonce.connection import Store
from askonce.keys import Keys, epoch_fields, epoch_stamp
from askonce.question import Question
from askonce.readable import completion_of, read_object, time_of
from askonce.wire import Command


class ExactLookup:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def find(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The epochs are read before the entries: an answer that is valid was so when we asked.

        Whether an entry has expired is Redis's to say: one that has is gone.
        """
        places = {(q.namespace or "", q.model or ""): None for q in questions}
        commands: list[Command] = [("HMGET", self._keys.epochs, *epoch_fields(*place)) for place in places]
        commands.append(("MGET", *(self._keys.entry(question.fingerprint) for question in questions)))
        *epochs, entries = await self._store.pipeline(commands)
        stamps = {place: epoch_stamp(values) for place, values in zip(places, epochs, strict=True)}
        return [
            None if raw is None else read_entry(question, raw, stamps[question.namespace or "", question.model or ""])
            for question, raw in zip(questions, entries, strict=True)
        ]


def read_entry(question: Question, raw: bytes, stamp: str) -> Answer | None:
    """The answer in an entry; None for one of older epochs, and for one that cannot be read."""
    try:
        entry = read_object(raw)
        if entry["epochs"] != stamp or entry["scope"] != question.scope:
            return None
        body = completion_of(entry["body"])
        return Answer(
            question.job_id,
            "answered",
            source="exact",
            model=body.get("model") or question.model,
            cached_at=time_of(entry, "created_at"),
            metadata=question.metadata,
            body=body,
        )
    except (ValueError, KeyError):
        return None

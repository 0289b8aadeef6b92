"""Answers straight from the cache: no queue, no worker, one round trip for all who ask at the same time."""

from collections.abc import Iterable, Sequence

from askonce.answer import Answer
from askonce.contract.keys import Keys, epoch_fields, epoch_stamp
from askonce.question import Question
from askonce.readable import completion_of, read_object, time_of
from askonce.store.connection import Store
from askonce.store.wire import Command


class ExactLookup:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def find(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The epochs are read before the entries: an answer that is valid was so when we asked.

        Whether an entry has expired is Redis's to say: one that has is gone.
        """
        *epochs, entries = await self._store.pipeline(self._commands(questions))
        return _answers(questions, epochs, entries)

    async def find_new(self, questions: Sequence[Question]) -> list[Answer | None]:
        """As `find`; None also where there is a marker or a result under the question's job id: that one counts."""
        named = [self._keys.result(q.namespace or "", q.job_id) for q in questions if q.job_id is not None]
        if not named:
            return await self.find(questions)
        found, *epochs, entries = await self._store.pipeline([("MGET", *named), *self._commands(questions)])
        known = {name for name, raw in zip(named, found, strict=True) if raw is not None}
        new = [
            None if q.job_id is not None and self._keys.result(q.namespace or "", q.job_id) in known else raw
            for q, raw in zip(questions, entries, strict=True)
        ]
        return _answers(questions, epochs, new)

    def _commands(self, questions: Sequence[Question]) -> list[Command]:
        commands: list[Command] = [("HMGET", self._keys.epochs, *epoch_fields(*place)) for place in _places(questions)]
        commands.append(("MGET", *(self._keys.entry(question.fingerprint) for question in questions)))
        return commands


def _places(questions: Sequence[Question]) -> dict[tuple[str, str], None]:
    """Their namespaces and models."""
    return {(question.namespace or "", question.model or ""): None for question in questions}


def _answers(
    questions: Sequence[Question], epochs: Sequence[list[bytes | None]], entries: Iterable[bytes | None]
) -> list[Answer | None]:
    stamps = {place: epoch_stamp(values) for place, values in zip(_places(questions), epochs, strict=True)}
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

"""Answers straight from the cache: no queue, no worker, and one round trip for all concurrent callers."""

from collections.abc import Iterable, Sequence
from itertools import takewhile

from askonce.answer import Answer
from askonce.contract.keys import Keys, epoch_fields, epoch_stamp
from askonce.contract.records import read_record
from askonce.question import Question
from askonce.readable import time_of
from askonce.replies.shapes import reply_of
from askonce.store.connection import ScriptCall, Store
from askonce.store.fetch import fetch_call, fetched, unread
from askonce.store.wire import Command

Group = tuple[str, str]
"""Namespace and model of a question: its epochs depend on them."""


class ExactLookup:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store = store
        self._keys = keys

    async def find(self, questions: Sequence[Question]) -> list[Answer | None]:
        """The answer to each question, or None.

        The epochs are read before the entries: an answer that is valid was so when we asked. Redis alone says whether
        an entry has expired: then it is gone.
        """
        return await self._find(questions, [])

    async def find_new(self, questions: Sequence[Question]) -> list[Answer | None]:
        """Like `find`, but None also if there is a marker or result under the question's job id, which takes
        precedence.

        It covers as many of the first questions as one reply can hold, but at least one, because answers may be large.
        """
        named = [self._result(question) for question in questions if question.job_id is not None]
        return await self._find(questions, named, whole=False)

    async def _find(
        self, questions: Sequence[Question], named: Sequence[str], *, whole: bool = True
    ) -> list[Answer | None]:
        groups = list(dict.fromkeys(map(_group, questions)))
        entries = [self._keys.entry(question.fingerprint) for question in questions]
        commands: list[Command | ScriptCall] = [("STRLEN", name) for name in named]
        commands += [("HMGET", self._keys.epochs, *epoch_fields(*group)) for group in groups]
        commands.append(("MGET", *entries) if len(entries) == 1 else fetch_call(entries))
        replies = await self._store.pipeline(commands)
        known = {name for name, size in zip(named, replies, strict=False) if size}
        stamps = {group: epoch_stamp(values) for group, values in zip(groups, replies[len(named) : -1], strict=True)}
        values = await self._values(entries, replies[-1]) if whole else _first_read(replies[-1])
        return [
            None
            if raw is None or self._result(question) in known
            else read_entry(question, raw, stamps[_group(question)])
            for question, raw in zip(questions, values, strict=whole)
        ]

    async def _values(self, entries: Sequence[str], reply: Sequence[bytes | int | None]) -> Iterable[bytes | None]:
        again, found = unread(entries, reply)
        values = dict(found) | {entry: value async for entry, value in fetched(self._store, again)}
        return [values[entry] for entry in entries]

    def _result(self, question: Question) -> str:
        return self._keys.result(question.namespace or "", question.job_id or "")


def _first_read(reply: Sequence[bytes | int | None]) -> list[bytes | None]:
    """The values before the first that was not read."""
    return [value for value in takewhile(lambda value: not isinstance(value, int), reply) if not isinstance(value, int)]


def _group(question: Question) -> Group:
    return question.namespace or "", question.model or ""


def read_entry(question: Question, raw: bytes, stamp: str) -> Answer | None:
    """The answer in an entry; None for one of older epochs, and for one that cannot be read.

    Also None if the answer must fit a schema and no worker has checked it yet: then a worker does.
    """
    try:
        entry = read_record(raw)
        if entry["epochs"] != stamp or entry["scope"] != question.scope:
            return None
        if question.schema is not None and entry.get("valid") is not True:
            return None
        body = reply_of(entry["body"])
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

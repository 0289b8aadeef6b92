"""Cache entries, for an operator to inspect one by one."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.contract.records import read_record
from askonce.contract.scope_record import Parts, read_scope
from askonce.operator.entry_count import HEAD_BYTES, TEXT, Head, current_epochs, read_head
from askonce.operator.installation import Installation
from askonce.readable import completion_of, time_of
from askonce.session.wrong_hits import Report, Scored, WrongHits
from askonce.store.rows import rows

PAGE = 500
SECONDS = 1.5
"""Seconds for which entries are searched."""
_QUESTION = re.compile(rb'"question":' + TEXT)
_CUT_OFF = re.compile(rb'"question":"((?:[^"\\]|\\[^u]|\\u[0-9a-f]{4})*)')
_TIMES = re.compile(rb'^\{"created_at":(\d+),"expires_at":(\d+)')


@dataclass(frozen=True, slots=True)
class EntryHead:
    """question: its beginning; None if it is not stored in plain text. Times are Unix seconds. valid: not
    invalidated."""

    fingerprint: str
    question: str | None
    model: str
    namespace: str
    created_at: int
    expires_at: int
    last_hit: int
    valid: bool


@dataclass(frozen=True, slots=True)
class Found:
    """entries: most recently hit first. looked_at: entries read, of `total`. whole: all were read."""

    entries: Sequence[EntryHead]
    looked_at: int
    total: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """An answer with its question. head: as in lists. body: the completion. scope: its parts, if known."""

    head: EntryHead
    question: str
    text: str
    scope_id: str
    scope: Parts
    body: Mapping[str, Any]


class Entries(Installation):
    """The cached answers of one installation."""

    async def latest(
        self, text: str = "", *, namespace: str | None = None, model: str | None = None, most: int = 50
    ) -> Found:
        """Entries, most recently hit first.

        Args:
            text: part of the question, ignoring case. Only the beginning of a question over 2 kB is searched.
            namespace: only this one.
            model: only this one.
            most: the maximum number.

        Raises:
            StoreUnreachable: Redis does not answer.
        """
        end, wanted, first = time.monotonic() + SECONDS, text.casefold(), 0
        total, epochs = await self._store.pipeline([("ZCARD", self._keys.touched), ("HGETALL", self._keys.epochs)])
        current, seen = current_epochs(epochs), dict[str, EntryHead]()
        while True:
            page = await self._heads(first, current)
            for each in page:
                named = namespace in (None, each.namespace) and model in (None, each.model)
                if named and (not wanted or wanted in (each.question or "").casefold()):
                    seen.setdefault(each.fingerprint, each)
            first += PAGE
            whole = first >= total
            if whole or len(seen) >= most or time.monotonic() >= end:
                return Found([*seen.values()][:most], min(first, total), total, whole)

    async def get(self, fingerprint: str) -> Entry | None:
        """The entry; None if there is none, or it is unreadable. Raises StoreUnreachable."""
        keys = self._keys
        raw, hit, epochs = await self._store.pipeline(
            [
                ("GET", keys.entry(fingerprint)),
                ("ZSCORE", keys.touched, fingerprint),
                ("HGETALL", keys.epochs),
            ]
        )
        try:
            record = {} if raw is None else read_record(raw)
            head = Head(*(str(record[name]) for name in ("model", "namespace", "epochs")))
            times = [time_of(record, name) for name in ("created_at", "expires_at")]
            body, question, scope = completion_of(record["body"]), str(record["question"]), str(record["scope"])
        except (ValueError, KeyError):
            return None
        [parts] = await self._store.pipeline([("GET", keys.scope(scope))])
        last, valid = int(float(hit or 0)), head.is_valid(current_epochs(epochs))
        of_list = EntryHead(fingerprint, question, head.model, head.namespace, times[0], times[1], last, valid)
        return Entry(of_list, question, _text_of(body), scope, _parts(parts), body)

    async def drop(self, fingerprint: str) -> bool:
        """Deletes an entry and everything that could still serve it; whether it existed. Raises StoreUnreachable."""
        return await WrongHits(self._store, self._keys).add(Report(b"", fingerprint, "", ""), drop_entry=True)

    async def _heads(self, first: int, current: Mapping[str, int]) -> Iterator[EntryHead]:
        query = ("ZREVRANGE", self._keys.touched, first, first + PAGE - 1, "WITHSCORES")
        [page] = await self._store.pipeline([query])
        scored = rows(Scored, page)
        reads = [("GETRANGE", self._keys.entry(each.member.decode()), 0, HEAD_BYTES - 1) for each in scored]
        raws = await self._store.pipeline(reads) if reads else []
        found = (_head(each, raw, current) for each, raw in zip(scored, raws, strict=True))
        return (each for each in found if each is not None)


def _head(scored: Scored, raw: bytes, current: Mapping[str, int]) -> EntryHead | None:
    """None for one that has expired, or cannot be read."""
    head, times = read_head(raw), _TIMES.search(raw)
    if head is None or times is None:
        return None
    created, expires, hit = int(times[1]), int(times[2]), int(float(scored.score))
    facts = (head.model, head.namespace, created, expires, hit, head.is_valid(current))
    return EntryHead(scored.member.decode(), _question(raw), *facts)


def _question(raw: bytes) -> str | None:
    whole = _QUESTION.search(raw)
    if whole is not None:
        return str(orjson.loads(whole[1]))
    cut_off = _CUT_OFF.search(raw)
    try:
        return None if cut_off is None else str(orjson.loads(b'"%b"' % cut_off[1])) + "…"
    except orjson.JSONDecodeError:  # truncated within a character
        return None


def _text_of(body: Mapping[str, Any]) -> str:
    """The answer as text; other content as JSON."""
    message = body["choices"][0].get("message") or {}
    content = message.get("content")
    return content if isinstance(content, str) else orjson.dumps(message, option=orjson.OPT_INDENT_2).decode()


def _parts(raw: bytes | None) -> Parts:
    try:
        return {} if raw is None else read_scope(raw)
    except ValueError:
        return {}

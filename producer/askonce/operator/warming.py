"""Fills the cache from files: rows of questions and answers, or a Batch input with its output.

A row is a short line of `batch` with its answer: {"question": "…", "answer": "…", "model"?: "…", …}. The answer is a
text, optionally with `usage`, or a provider's chat completion.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.batch.line_format import Form, Line, read_line
from askonce.client import Client
from askonce.errors import InvalidQuestion
from askonce.json_values import dumps, loads
from askonce.question import Question
from askonce.tables.lines import RawLine

STUCK_AFTER = 60.0
"""Seconds after which it stops waiting for an outbox that does not shrink."""
POLL = 0.5
"""Seconds between checks of a full outbox."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and its answer.

    Attributes:
        where: File and line.
        reason: Why it is malformed; '' for a request without an answer.
        needs_model: It is malformed only because it has no model.
    """

    where: str
    question: Question | None = None
    answer: str | Mapping[str, Any] = ""
    usage: Mapping[str, Any] | None = None
    reason: str | None = None
    needs_model: bool = False


def read_row(raw: RawLine, form: Form) -> Pair:
    """Never raises."""
    where = f"line {raw.number}"
    try:
        record = _object(raw)
        answer, usage = record.pop("answer", None), record.pop("usage", None)
    except ValueError as error:
        return Pair(where, reason=str(error))
    line = read_line(raw.number, dumps(record), form)
    if line.question is not None and answer is None:
        return Pair(where, reason="answer is missing")
    return Pair(where, line.question, answer or "", usage, line.reason, line.needs_model)


def _object(raw: RawLine) -> dict[str, Any]:
    """Raises ValueError."""
    if raw.data is None:
        raise ValueError(raw.reason)
    try:
        record = loads(raw.data)
    except ValueError as error:
        raise ValueError(f"not JSON: {getattr(error, 'msg', error)}") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


class Outputs:
    """The completions of a Batch output by custom id, in a temporary file, so that even ten million fit."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE outputs (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, raw: RawLine) -> None:
        """Adds a line. Failed requests are skipped. Raises ValueError."""
        record = _object(raw)
        custom_id, response = record.get("custom_id"), record.get("response")
        if not isinstance(custom_id, str):
            raise ValueError("custom_id is missing")
        if isinstance(response, dict) and response.get("status_code") == 200:
            body = dumps(response.get("body"))
            self._db.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?)", (custom_id, body))

    def pair(self, line: Line) -> Pair:
        where = f"line {line.number}"
        if line.question is None:
            return Pair(where, reason=line.reason, needs_model=line.needs_model)
        row = self._db.execute("SELECT body FROM outputs WHERE id = ?", (line.custom_id,)).fetchone()
        return Pair(where, reason="") if row is None else Pair(where, line.question, orjson.loads(row[0]))

    def close(self) -> None:
        self._db.close()


class Warming:
    """Stores pairs in the cache, and counts the outcomes.

    Attributes:
        stored: Answers now in the cache.
        exact_only: Those that will get no vector.
        bad: Rows that were refused.
        unanswered: Requests without an answer.

    Args:
        ttl: Seconds for which the answers may be used; None for the client's.
        on_bad: Called with the location and the reason of each refused row.
    """

    def __init__(self, client: Client, *, ttl: float | None, on_bad: Callable[[str, str], None]) -> None:
        self.stored = self.exact_only = self.bad = self.unanswered = 0
        self._client = client
        self._ttl = ttl
        self._on_bad = on_bad
        self._stuck_since: float | None = None

    @property
    def done(self) -> int:
        return self.stored + self.bad + self.unanswered

    async def run(self, pairs: AsyncIterator[Iterable[Pair]]) -> None:
        """Stores pairs that arrive together in one go. Raises QueueFull if Redis is nearly full, StoreUnreachable."""
        async for some in pairs:
            outcomes = await asyncio.gather(*map(self._put, some), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome

    def refuse(self, where: str, reason: str) -> None:
        self.bad += 1
        self._on_bad(where, reason)

    async def _put(self, pair: Pair) -> None:
        if pair.question is None and pair.reason == "":
            self.unanswered += 1
            return
        if pair.question is None:
            self.refuse(pair.where, pair.reason or "no question")
            return
        question = pair.question if self._ttl is None else pair.question.with_fields(ttl=self._ttl)
        try:
            with_vector = await self._store(question, pair)
        except InvalidQuestion as error:
            self.refuse(pair.where, str(error))
        else:
            self.stored += 1
            self.exact_only += not with_vector

    async def _store(self, question: Question, pair: Pair) -> bool:
        """Waits for room in the outbox, so that a million answers get their vectors, unless no worker drains it."""
        while not await self._client.store(question, pair.answer, usage=pair.usage):
            now = asyncio.get_running_loop().time()
            self._stuck_since = self._stuck_since or now
            if now - self._stuck_since > STUCK_AFTER:
                return False
            await asyncio.sleep(POLL)
        self._stuck_since = None
        return True

"""Fills the cache from files: rows of questions and answers, or a Batch input with its output.

A row is the short form of `batch_file` with its answer: {"question": "…", "answer": "…", "model"?: "…", …}, where the
answer is a text or a provider's chat completion, and `usage` may stand beside a text.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.batch.file_format import Form, Line, read_line
from askonce.batch.lines import MAX_LINE, RawLine
from askonce.client import Client
from askonce.errors import InvalidQuestion
from askonce.question import Question

PATIENCE = 60.0
"""Seconds for which an outbox that does not get shorter is waited for."""
AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """where: file and line. reason: why it is no question with an answer; '' where there simply is no answer."""

    where: str
    question: Question | None = None
    answer: str | Mapping[str, Any] = ""
    usage: Mapping[str, Any] | None = None
    reason: str | None = None


def read_row(raw: RawLine, form: Form) -> Pair:
    """Never raises."""
    where = f"line {raw.number}"
    try:
        record = _object(raw)
        answer, usage = record.pop("answer", None), record.pop("usage", None)
    except ValueError as error:
        return Pair(where, reason=str(error))
    if "question" not in record or answer is None:
        return Pair(where, reason="question or answer is missing")
    line = read_line(raw.number, orjson.dumps(record), form)
    return Pair(where, line.question, answer, usage, line.reason)


def _object(raw: RawLine) -> dict[str, Any]:
    """Raises ValueError."""
    if raw.data is None:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        record = orjson.loads(raw.data)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    if not isinstance(record, dict):
        raise ValueError("not a JSON object")
    return record


class Outputs:
    """The completions of a Batch output by their custom ids, in a file without a name: ten million fit as well."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE outputs (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def add(self, raw: RawLine) -> None:
        """Failed requests are left out. Raises ValueError."""
        record = _object(raw)
        custom_id, response = record.get("custom_id"), record.get("response")
        if not isinstance(custom_id, str):
            raise ValueError("custom_id is missing")
        if isinstance(response, dict) and response.get("status_code") == 200:
            body = orjson.dumps(response.get("body"))
            self._db.execute("INSERT OR REPLACE INTO outputs VALUES (?, ?)", (custom_id, body))

    def pair(self, line: Line) -> Pair:
        where = f"line {line.number}"
        if line.question is None:
            return Pair(where, reason=line.reason)
        row = self._db.execute("SELECT body FROM outputs WHERE id = ?", (line.custom_id,)).fetchone()
        return Pair(where, reason="") if row is None else Pair(where, line.question, orjson.loads(row[0]))

    def close(self) -> None:
        self._db.close()


class Warming:
    """stored: answers in the cache now. exact_only: those of them that wait for no vector. bad: rows that were refused.
    unanswered: requests without an answer. on_bad: is told where and why.
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
        """What comes together is stored together. Raises QueueFull where Redis is nearly full, StoreUnreachable."""
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
        """Waits for room in the outbox, so that a million answers get their vectors; not where nobody drains it."""
        while not await self._client.store(question, pair.answer, usage=pair.usage):
            now = asyncio.get_running_loop().time()
            self._stuck_since = self._stuck_since or now
            if now - self._stuck_since > PATIENCE:
                return False
            await asyncio.sleep(AGAIN)
        self._stuck_since = None
        return True

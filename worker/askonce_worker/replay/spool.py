"""The calls of a log on disk, so that a log of any size and order can be played chronologically.

SQLite sorts in temporary files if they do not fit into memory.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from askonce.json_values import dumps, loads
from askonce.question import SHARED_FIELDS, Question
from askonce_worker.replay.calls import Call, Reply

SCHEMA = """
CREATE TABLE calls (number INTEGER PRIMARY KEY, asked REAL, shared INTEGER, data BLOB, reply BLOB, key TEXT);
CREATE TABLE shared (id INTEGER PRIMARY KEY, data BLOB UNIQUE);
CREATE TABLE replies (key TEXT PRIMARY KEY, body BLOB);
CREATE VIEW played AS
    SELECT number, asked, calls.data AS own, shared.data AS shared, coalesce(calls.reply, replies.body) AS body
    FROM calls JOIN shared ON shared.id = calls.shared LEFT JOIN replies ON replies.key = calls.key;
"""
WRITTEN = 1000
"""Rows per transaction."""
PAGE = 512
NO_JOURNAL = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-32000"
FIELDS = ("text", "namespace")


@dataclass(frozen=True, slots=True)
class Spooled:
    """A call to play. number: its position in the log. body: its answer as JSON; None if there is none."""

    number: int
    asked: float
    question: Question
    seconds: float | None
    body: bytes | None
    cost: int | None


class Spool:
    """Parts that many calls share, such as a long system prompt, are stored once."""

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "calls.sqlite", isolation_level=None)
        self._database.executescript(NO_JOURNAL)
        self._database.executescript(SCHEMA)
        self._calls: list[tuple[Any, ...]] = []
        self._replies: list[tuple[str, bytes]] = []
        self._shared: dict[bytes, int] = {}
        self.count = 0

    def add(self, found: Call | Reply) -> None:
        if isinstance(found, Reply):
            self._replies.append((found.key, dumps(_kept(found.body))))
        else:
            self.count += 1
            self._calls.append(self._row(found))
        if len(self._calls) + len(self._replies) >= WRITTEN:
            self.flush()

    def _row(self, call: Call) -> tuple[Any, ...]:
        question = call.question
        data = dumps({"text": question.text, "namespace": question.namespace, "s": call.seconds, "c": call.cost})
        body = None if call.body is None else dumps(_kept(call.body))
        return self.count, call.asked, self._shared_id(question), data, body, call.key or None

    def _shared_id(self, question: Question) -> int:
        data = dumps({name: getattr(question, name) for name in SHARED_FIELDS})
        known = self._shared.get(data)
        if known is None:
            self._database.execute("INSERT OR IGNORE INTO shared (data) VALUES (?)", (data,))
            [known] = self._database.execute("SELECT id FROM shared WHERE data = ?", (data,)).fetchone()
            if len(self._shared) >= WRITTEN:
                self._shared.clear()
            self._shared[data] = known
        return known

    def flush(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)", self._calls)
        self._database.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?)", self._replies)
        self._database.execute("COMMIT")
        self._calls, self._replies = [], []

    def drop_without_time(self) -> int:
        """Drop calls without a time if others have one, because they cannot be ordered. Returns how many were
        dropped."""
        [timed] = self._database.execute("SELECT count(asked) FROM calls").fetchone()
        if not timed or timed == self.count:
            return 0
        self._database.execute("DELETE FROM calls WHERE asked IS NULL")
        dropped, self.count = self.count - timed, timed
        return int(dropped)

    def span(self) -> tuple[float, float] | None:
        """The first and the last time; None if the log has none."""
        first, last = self._database.execute("SELECT min(asked), max(asked) FROM calls").fetchone()
        return None if first is None else (first, last)

    def is_in_order(self) -> bool:
        """Whether the log is in chronological order."""
        query = "SELECT count(*) FROM (SELECT asked < lag(asked) OVER (ORDER BY number) AS back FROM calls) WHERE back"
        [back] = self._database.execute(query).fetchone()
        return not back

    def sample(self, most: int) -> Iterator[Question]:
        """At most `most` questions from all over the log, always the same ones for the same log."""
        [last] = self._database.execute("SELECT max(number) FROM calls").fetchone()
        numbers = range(1, (last or 0) + 1)
        for number in sorted(Random(0).sample(numbers, min(most, len(numbers)))):
            row = self._database.execute("SELECT * FROM played WHERE number = ?", (number,)).fetchone()
            if row is not None:
                yield _spooled(row).question

    def in_order(self) -> Iterator[list[Spooled]]:
        """The calls in chronological order, in pages."""
        rows = self._database.execute("SELECT * FROM played ORDER BY asked, number")
        while page := rows.fetchmany(PAGE):
            yield [_spooled(row) for row in page]

    def body(self, number: int) -> bytes | None:
        """The answer of a call."""
        row = self._database.execute("SELECT body FROM played WHERE number = ?", (number,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._database.close()


def _kept(body: Any) -> dict[str, Any]:
    """The parts of an answer that are used."""
    return {name: body[name] for name in ("choices", "model", "usage", "service_tier") if name in body}


def _spooled(row: tuple[Any, ...]) -> Spooled:
    number, asked, data, shared, body = row
    own = loads(data)
    question = Question(**{name: own[name] for name in FIELDS}, **loads(shared))
    return Spooled(number, asked or 0.0, question, own["s"], body, own["c"])

"""The state of a run besides its output: its settings, which lines are done, and which custom ids it has seen.

It is a SQLite file, so that ten million ids need no more memory than ten thousand. A line counts as done only once it
is on disk.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

OURS = 0x41734F6E
"""SQLite's application id, which distinguishes a journal from any other database."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ids (id BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS done (line INTEGER PRIMARY KEY, failed INTEGER NOT NULL);
"""


class Journal:
    """The journal of one run, for one process at a time.

    Args:
        path: None uses a temporary file, for this process alone.

    Raises:
        ValueError: Another process uses it, or the file is no journal.
        OSError: It cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._db = sqlite3.connect(path or "", isolation_level=None, timeout=0)
        try:
            self._open()
        except sqlite3.OperationalError as error:
            self._db.close()
            raise ValueError(f"{path}: in use by another batch ({error})") from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{path}: not a batch journal ({error}); move it away") from error

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not self._number("SELECT count(*) FROM sqlite_master"):
            self._db.execute(f"PRAGMA application_id = {OURS}")
        elif self._number("PRAGMA application_id") != OURS:
            raise sqlite3.DatabaseError("a database of something else")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -4000")
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN IMMEDIATE")

    def _number(self, query: str) -> int:
        found: int = self._db.execute(query).fetchone()[0]
        return found

    def get(self, name: str) -> Any:
        """The value of a fact, or None."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else orjson.loads(row[0])

    def put(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, orjson.dumps(value)))

    def first_line(self, custom_id: str, line: int) -> int:
        """The first line with this custom id, which is this line if the id is new."""
        digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        if self._db.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (digest, line)).rowcount:
            return line
        found: int = self._db.execute("SELECT line FROM ids WHERE id = ?", (digest,)).fetchone()[0]
        return found

    def last_done(self) -> int:
        """The last line that is done, or 0."""
        return self._number("SELECT coalesce(max(line), 0) FROM done")

    def is_done(self, line: int) -> bool:
        return self._db.execute("SELECT 1 FROM done WHERE line = ?", (line,)).fetchone() is not None

    def add_done(self, lines: Iterable[tuple[int, bool]]) -> None:
        """Marks lines as done, each with whether it failed."""
        self._db.executemany("INSERT OR REPLACE INTO done VALUES (?, ?)", lines)

    def reopen_failed(self) -> int:
        """Marks the failed lines as not done, and returns how many there are."""
        return self._db.execute("DELETE FROM done WHERE failed").rowcount

    def commit(self) -> None:
        """Writes everything to disk. On OSError, the journal stays as of the last commit."""
        try:
            self._db.execute("COMMIT")
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise OSError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Discards what was not committed."""
        self._db.close()


def remove_journal(path: Path) -> None:
    """Deletes a journal. Raises ValueError if another process uses it, or the file is no journal."""
    if path.exists() and path.stat().st_size:
        Journal(path).close()
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)

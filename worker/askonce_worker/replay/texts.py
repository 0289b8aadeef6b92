"""The distinct questions of a log, numbered, with their texts on disk."""

import sqlite3
from base64 import urlsafe_b64decode
from collections import OrderedDict
from pathlib import Path

from askonce.question import Question
from askonce_worker.replay.spool import NO_JOURNAL

REMEMBERED = 20_000
"""Numbers and texts that are cached in memory."""


class Texts:
    """Questions with the same fingerprint (scope and text) are one. Numbers start at 0."""

    def __init__(self, directory: Path) -> None:
        self._database = sqlite3.connect(directory / "texts.sqlite", isolation_level=None)
        self._database.executescript(NO_JOURNAL)
        self._database.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, fingerprint BLOB UNIQUE, text TEXT)")
        self._database.execute("BEGIN")
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._texts: OrderedDict[int, str] = OrderedDict()
        self.count = 0

    def number_of(self, question: Question) -> int:
        """The question's number, a new one if it was not asked before."""
        fingerprint = question.fingerprint
        known = self._numbers.get(fingerprint)
        if known is not None:
            self._numbers.move_to_end(fingerprint)
            return known
        digest = urlsafe_b64decode(fingerprint + "=")
        row = self._database.execute("SELECT id FROM texts WHERE fingerprint = ?", (digest,)).fetchone()
        if row is not None:
            return self._remember(fingerprint, int(row[0]))
        number, self.count = self.count, self.count + 1
        self._database.execute("INSERT INTO texts VALUES (?, ?, ?)", (number, digest, question.text))
        self._note(number, question.text)
        return self._remember(fingerprint, number)

    def text_of(self, number: int) -> str:
        known = self._texts.get(number)
        if known is None:
            [known] = self._database.execute("SELECT text FROM texts WHERE id = ?", (number,)).fetchone()
            self._note(number, known)
        return known

    def close(self) -> None:
        self._database.close()

    def _remember(self, fingerprint: str, number: int) -> int:
        self._numbers[fingerprint] = number
        if len(self._numbers) > REMEMBERED:
            self._numbers.popitem(last=False)
        return number

    def _note(self, number: int, text: str) -> None:
        self._texts[number] = text
        if len(self._texts) > REMEMBERED:
            self._texts.popitem(last=False)

"""The output, the error file and the journal, kept in step.

A save has three steps: commit how far the input was read, write the lines to disk, mark them as done. So a run killed
between any two of them knows which input the lines on disk came from.
"""

import secrets
from typing import Any

import orjson

from askonce.batch.journal import Journal
from askonce.batch.output import OutputFile
from askonce.batch.totals import load_totals
from askonce.prices.load import Prices

UNSAVED = 2000
UNSAVED_BYTES = 16 * 1024 * 1024
"""Maximum number of lines not yet on disk, and of their bytes."""


class Ledger:
    """What a run has done, in its three files.

    Attributes:
        read: The last input line whose id is known and, for a stream, the digest of all lines up to it.
        totals: Counts of all lines that are done.
        broken: A save has failed. The next run repairs partial writes.

    Args:
        out: The output; `errors` may be the same file.

    Raises:
        ValueError: The files on disk contradict the journal.
    """

    def __init__(self, journal: Journal, out: OutputFile, errors: OutputFile, prices: Prices) -> None:
        self.journal = journal
        self._out = out
        self._errors = errors
        self._prices = prices
        self._done: list[tuple[int, bool]] = []
        self._bytes = 0
        self.broken = False
        self.read: dict[str, Any] = journal.get("read") or {"line": 0, "digest": None}
        self._run: str = journal.get("run") or secrets.token_hex(8)
        self._attempt: int = journal.get("attempt") or 0
        self.totals = load_totals(journal.get("tally"))
        self._repair()

    @property
    def is_full(self) -> bool:
        """Whether a save is due. Bounds the memory of lines of any length."""
        return len(self._done) >= UNSAVED or self._bytes >= UNSAVED_BYTES

    @property
    def is_complete(self) -> bool:
        return bool(self.journal.get("complete"))

    def job_id(self, line: int) -> str:
        """The job id of a line: the same one in every start of this attempt."""
        return f"{self._run}-{line}.{self._attempt}" if self._attempt else f"{self._run}-{line}"

    def add(self, record: dict[str, Any], *, asked: str | None) -> None:
        """Adds one output line, which is on disk after the next `save`. asked: the model of its request."""
        failed, line = is_failed(record), orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        (self._errors if failed else self._out).append(line)
        self._bytes += len(line)
        self._done.append((record["askonce"]["line"], failed))
        self.totals.add(record, self._prices, asked=asked)

    def save(self) -> None:
        """Raises OSError, after which this ledger is broken."""
        done, self._done = self._done, []
        self._bytes = 0
        self.broken = True
        if done:
            self._commit_read()
        self._out.write()
        self._errors.write()
        self._commit(done)
        self.broken = False

    async def keep(self) -> None:
        """Like `save`, for a `Run`."""
        self.save()

    async def complete(self) -> None:
        """Saves, and records that every input line is done."""
        self.journal.put("complete", True)
        self.save()

    def retry(self) -> int:
        """Reopens the failed lines under new job ids, and returns how many there are."""
        self._attempt += 1
        reopened = self.journal.reopen_failed()
        self.totals.forget_failures()
        self.journal.put("attempt", self._attempt)
        self.journal.put("complete", False)
        self._commit([], errors=0)
        self._errors.truncate(0)
        return reopened

    def close(self) -> None:
        self.journal.close()
        self._out.close()
        if self._errors is not self._out:
            self._errors.close()

    def _repair(self) -> None:
        """Counts what was written after the last commit, and truncates partial lines."""
        sizes = self.journal.get("sizes") or [0, 0]
        if self._attempt and sizes[1] == 0:
            self._errors.truncate(0)  # the last retry was cut short between its two steps; see `retry`
        ends = self.journal.get("ends") or [None, None]
        files = [(self._out, sizes[0], ends[0]), (self._errors, sizes[1], ends[1])]
        for file, size, end in files[: 1 if self._errors is self._out else 2]:
            if not file.regular:
                continue
            if self.is_complete and file.size > size:
                raise file.changed()
            for record in file.repair(size, end, self._run):
                self._done.append((record["askonce"]["line"], is_failed(record)))
                self.totals.add(record, self._prices)
        self.journal.put("run", self._run)
        self.save()

    def _commit(self, done: list[tuple[int, bool]], *, errors: int | None = None) -> None:
        self.journal.add_done(done)
        sizes = [self._out.size, self._errors.size if errors is None else errors]
        self.journal.put("sizes", sizes)
        self.journal.put("ends", [self._out.end(sizes[0]), self._errors.end(sizes[1])])
        self.journal.put("tally", self.totals.dump())
        self._commit_read()

    def _commit_read(self) -> None:
        self.journal.put("read", self.read)
        self.journal.commit()


def is_failed(record: dict[str, Any]) -> bool:
    return record["error"] is not None or record["response"]["status_code"] != 200

"""Reads a log into the spool. Rows that cannot be read are counted by reason."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from askonce.tables.row import Row
from askonce.tables.rows import read_rows
from askonce_worker.replay.calls import BadCall, NoCall, Reply
from askonce_worker.replay.sources.choosing import Reading
from askonce_worker.replay.spool import Spool

SHOWN = 5
"""Malformed lines that are listed individually."""
REASONS = 50
"""Reasons that are counted individually; further ones are counted together."""
NO_TIME = "no time, although others have one"


class BadLog(ValueError):
    """The log cannot be replayed. The message says why in one line."""


@dataclass
class ReadLog:
    """What the rows of a log were.

    left_out: rows that are not answered calls, by reason. bad: malformed rows, by reason. examples: the first of these,
    with file and line. columns: those of the first malformed row. replies: answers in separate rows. complete: False if
    reading was interrupted.
    """

    rows: int = 0
    calls: int = 0
    replies: int = 0
    formats: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    complete: bool = True

    def add_bad(self, reason: str, where: str = "") -> None:
        self.bad[reason if len(self.bad) < REASONS or reason in self.bad else "other reasons"] += 1
        if where and len(self.examples) < SHOWN:
            self.examples.append(f"{where}: {reason}")


def read_logs(
    paths: Sequence[Path],
    reading: Reading,
    spool: Spool,
    *,
    strict: bool,
    on_bytes: Callable[[int], None],
    is_stopped: Callable[[], bool],
) -> ReadLog:
    """Raises BadLog; if strict, also for the first malformed row."""
    read = ReadLog()
    for path, row in _rows(paths, on_bytes):
        read.rows += 1
        try:
            _take(row, reading, spool, read)
        except NoCall as other:
            read.left_out[str(other)] += 1
        except BadCall as error:
            where = f"{path}, line {row.number}"
            if strict:
                raise BadLog(f"{where}: {error}") from error
            read.add_bad(str(error), where)
            read.columns = read.columns or list(row.fields or ())
        if is_stopped():
            read.complete = False
            break
    spool.flush()
    untimed = spool.drop_without_time()
    if untimed:
        read.bad[NO_TIME] += untimed
        read.calls -= untimed
    if untimed and strict:
        raise BadLog(f"{untimed:,} rows have {NO_TIME}")
    return read


def _take(row: Row, reading: Reading, spool: Spool, read: ReadLog) -> None:
    """Raises BadCall, NoCall."""
    if row.fields is None:
        raise BadCall(row.reason)
    kind, found = reading.read(row.fields)
    spool.add(found)
    read.formats[kind.value] += 1
    if isinstance(found, Reply):
        read.replies += 1
    else:
        read.calls += 1


def _rows(paths: Sequence[Path], on_bytes: Callable[[int], None]) -> Iterator[tuple[Path, Row]]:
    for path in paths:
        try:
            for row in read_rows(str(path), on_bytes=on_bytes):
                yield path, row
        except ValueError as error:
            raise BadLog(str(error)) from error

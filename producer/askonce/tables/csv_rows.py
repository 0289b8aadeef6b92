"""Rows of a CSV or TSV file: the first row names the columns.

Commas, semicolons or tabs divide the cells; a cell may go over several lines.
"""

import csv
import re
from collections.abc import Callable, Iterator

from askonce.tables.lines import MAX_LINE
from askonce.tables.row import Row

SEPARATORS = ",;\t"
QUOTED = re.compile(r'(?<![^,;\t])"(?:[^"]|"")*"?')
"""A cell in quotation marks. (A mark within a cell is a character.)"""
MOST_LINES = 20_000
"""Of one row."""
CARRIAGE_RETURN = "there is a carriage return outside of quotation marks, with no line feed after it"
EMPTY = "the first row, with the column names, is missing"
Check = Callable[[list[str]], None]
"""Raises ValueError for column names that will not do."""


class CsvRows:
    """Rows out of blocks.

    Args:
        check: Looks at the names of the columns.
        separators: One of them divides the cells: that which the first row has most of, outside of quotation marks.

    `feed` and `end` raise ValueError for what is no CSV at all, or has no first row that can be read: without the names
    of its columns, the next row would be taken for them.
    """

    def __init__(self, check: Check | None = None, separators: str = SEPARATORS) -> None:
        csv.field_size_limit(MAX_LINE)  # for the whole process: an answer may be longer than the module's 128 KiB
        self._check = check
        self._separators = separators
        self._rest = b""
        self._held: list[str] = []
        self._size = 0
        self._number = 0
        self._names: list[str] | None = None
        self._separator = separators[0]

    def feed(self, block: bytes) -> Iterator[Row]:
        *whole, self._rest = (self._rest + block).split(b"\n")
        for data in whole:
            yield from self._line(data)
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"line {self._number + 1} is longer than {MAX_LINE:,} bytes: no CSV")

    def end(self) -> Iterator[Row]:
        if self._rest:
            yield from self._line(self._rest)
        if self._names is None:
            raise ValueError(f"line {self._number}: a quotation mark is not closed" if self._held else EMPTY)
        if self._held:
            yield Row(self._number - len(self._held) + 1, None, "a quotation mark is not closed")

    def _line(self, data: bytes) -> Iterator[Row]:
        self._number += 1
        begins = self._number - len(self._held)
        try:
            text = data.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError:
            self._refuse_first_row(begins, "not UTF-8: save the file as UTF-8")
            self._held, self._size = [], 0
            yield Row(begins, None, "not UTF-8: save the file as UTF-8")
            return
        if not self._held and not text.strip():
            return
        self._held.append(text.removesuffix("\r"))
        self._size += len(data)
        yield from self._row(begins)

    def _row(self, begins: int) -> Iterator[Row]:
        """The row that the held lines are; nothing while a quotation mark is open."""
        if self._names is None:
            self._separator = max(self._separators, key=QUOTED.sub("", self._held[0]).count)
        try:
            # Each line once, not all that is held: a mark was open before it, unless it is the first.
            self._cells(self._held[0] if len(self._held) == 1 else f'"{self._held[-1]}')
            cells = self._cells("\n".join(self._held))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                reason = f"not CSV: {CARRIAGE_RETURN if 'new-line' in str(error) else error}"
                self._refuse_first_row(begins, reason)
                self._held, self._size = [], 0
                yield Row(begins, None, reason)
            elif self._size > MAX_LINE or len(self._held) > MOST_LINES:
                raise ValueError(f"line {begins}: a quotation mark is not closed") from error
            return
        self._held, self._size = [], 0
        if self._names is None:
            self._name([cell.strip() for cell in cells])
        elif len(cells) > len(self._names):
            yield Row(begins, None, f"{len(cells)} cells, where the first row has {len(self._names)}")
        else:
            yield Row(begins, dict(zip(self._names, cells, strict=False)))

    def _refuse_first_row(self, begins: int, reason: str) -> None:
        if self._names is None:
            raise ValueError(f"line {begins} should name the columns, and is {reason}")

    def _cells(self, text: str) -> list[str]:
        """Raises csv.Error."""
        [cells] = csv.reader([text], delimiter=self._separator, strict=True)
        return cells

    def _name(self, names: list[str]) -> None:
        if self._check is not None:
            self._check(names)
        self._names = names

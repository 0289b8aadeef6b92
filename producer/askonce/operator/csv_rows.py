"""Rows of a CSV file as lines of JSON: the first row names the fields.

Commas, semicolons or tabs divide the cells; a cell may go over several lines. An empty cell is absent.
"""

import csv
from collections.abc import Iterator
from typing import Any

from askonce.batch.lines import MAX_LINE, RawLine
from askonce.json_values import dumps, loads

SEPARATORS = ",;\t"
MOST_LINES = 20_000
"""Of one row."""
AS_JSON = frozenset({"params", "history", "metadata", "usage", "ttl", "threshold", "semantic"})
"""Fields that are no texts: their cells hold JSON."""


class CsvRows:
    """Rows out of blocks. A row has the number of the line that it begins on."""

    def __init__(self) -> None:
        csv.field_size_limit(MAX_LINE)  # for the whole process: an answer may be longer than the module's 128 KiB
        self._rest = b""
        self._held: list[str] = []
        self._size = 0
        self._number = 0
        self._names: list[str] | None = None
        self._separator = ","

    def feed(self, block: bytes) -> Iterator[RawLine]:
        *whole, self._rest = (self._rest + block).split(b"\n")
        for data in whole:
            yield from self._line(data)
        if len(self._rest) > MAX_LINE:
            raise ValueError(f"line {self._number + 1} is longer than {MAX_LINE:,} bytes: no CSV")

    def end(self) -> Iterator[RawLine]:
        if self._rest:
            yield from self._line(self._rest)
        if self._held:
            yield RawLine(self._number - len(self._held) + 1, None, "a quotation mark is not closed")

    def _line(self, data: bytes) -> Iterator[RawLine]:
        self._number += 1
        begins = self._number - len(self._held)
        try:
            text = data.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError:
            self._held, self._size = [], 0
            yield RawLine(begins, None, "not UTF-8: save the file as UTF-8")
            return
        if not self._held and not text.strip():
            return
        self._held.append(text.removesuffix("\r"))
        self._size += len(data)
        yield from self._row(begins)

    def _row(self, begins: int) -> Iterator[RawLine]:
        """The row that the held lines are; nothing while a quotation mark is open."""
        if self._names is None:
            self._separator = max(SEPARATORS, key=self._held[0].count)
        try:
            # Each line once, not all that is held: a mark was open before it, unless it is the first.
            self._cells(self._held[0] if len(self._held) == 1 else f'"{self._held[-1]}')
            cells = self._cells("\n".join(self._held))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                self._held, self._size = [], 0
                yield RawLine(begins, None, f"not CSV: {error}")
            elif self._size > MAX_LINE or len(self._held) > MOST_LINES:
                raise ValueError(f"line {begins}: a quotation mark is not closed") from error
            return
        self._held, self._size = [], 0
        if self._names is None:
            self._names = self._header(cells)
        else:
            yield self._record(begins, self._names, cells)

    def _cells(self, text: str) -> list[str]:
        """Raises csv.Error."""
        [cells] = csv.reader([text], delimiter=self._separator, strict=True)
        return cells

    @staticmethod
    def _header(cells: list[str]) -> list[str]:
        names = [cell.strip() for cell in cells]
        if "question" not in names or "answer" not in names:
            raise ValueError(f"the first row names the fields, question and answer among them; it is {names}")
        return names

    @staticmethod
    def _record(begins: int, names: list[str], cells: list[str]) -> RawLine:
        if len(cells) > len(names):
            return RawLine(begins, None, f"{len(cells)} cells, where the first row has {len(names)}")
        record = {name: _value(name, cell) for name, cell in zip(names, cells, strict=False) if cell.strip()}
        return RawLine(begins, dumps(record))


def _value(name: str, cell: str) -> Any:
    if name not in AS_JSON:
        return cell
    try:
        return loads(cell)
    except ValueError:
        return cell

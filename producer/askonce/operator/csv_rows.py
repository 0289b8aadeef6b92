"""Rows of a CSV file of questions and answers, as JSON lines. An empty cell is an absent field."""

from collections.abc import Iterator
from typing import Any

from askonce.json_values import dumps, loads
from askonce.tables import csv_rows
from askonce.tables.lines import RawLine
from askonce.tables.row import Row

AS_JSON = frozenset({"params", "history", "metadata", "usage", "ttl", "threshold", "semantic"})
"""Fields that are not text: their cells hold JSON."""


class CsvRows:
    """Turns blocks into rows. A row has the number of the line it begins on."""

    def __init__(self) -> None:
        self._rows = csv_rows.CsvRows(_check)

    def feed(self, block: bytes) -> Iterator[RawLine]:
        return map(_line, self._rows.feed(block))

    def end(self) -> Iterator[RawLine]:
        return map(_line, self._rows.end())


def _check(names: list[str]) -> None:
    if "question" not in names or "answer" not in names:
        raise ValueError(f"the first row names the fields, question and answer among them; it is {names}")


def _line(row: Row) -> RawLine:
    if row.fields is None:
        return RawLine(row.number, None, row.reason)
    record = {name: _value(name, cell) for name, cell in row.fields.items() if cell.strip()}
    return RawLine(row.number, dumps(record))


def _value(name: str, cell: str) -> Any:
    if name not in AS_JSON:
        return cell
    try:
        return loads(cell)
    except ValueError:
        return cell

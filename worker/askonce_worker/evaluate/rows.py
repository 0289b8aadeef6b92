"""The rows of a file of labelled data: JSON lines, CSV, TSV or Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from askonce.tables.rows import read_rows


class BadRows(Exception):
    """A file cannot be used. The message names the line and quotes none of its text."""


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each row with its line number; None for a malformed row. Raises BadRows."""
    try:
        for row in read_rows(str(path)):
            yield row.number, row.fields
    except ValueError as error:
        raise BadRows(str(error)) from error

"""The rows of a file of labelled data: JSON lines, CSV, TSV or Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from askonce.tables.rows import read_rows


class BadRows(Exception):
    """A file is not what it should be. The message names the line and repeats none of its text."""


def rows_of(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each row with the number of its line; None for one that is malformed. Raises BadRows."""
    try:
        for row in read_rows(str(path)):
            yield row.number, row.fields
    except ValueError as error:
        raise BadRows(str(error)) from error

"""The rows of a file of labelled data: JSON lines or CSV."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson


class BadRows(Exception):
    """A file is not what it should be. The message names the line and repeats none of its text."""


def rows_of(path: Path) -> Iterator[tuple[int, Any]]:
    """Each row with the number of its line; None for one that is no JSON. Raises BadRows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(file) if path.suffix.lower() == ".csv" else _json_rows(file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}"
        raise BadRows(f"{path}: {reason}") from error


def _json_rows(file: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                yield number, None


def _csv_rows(file: Iterable[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(file)
    for row in reader:
        yield reader.line_num, row

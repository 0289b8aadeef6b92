"""The rows of a file, whatever it is: what its name ends with says so, and gzip and zstd are seen by themselves."""

import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, Protocol

from askonce.json_values import loads
from askonce.tables.csv_rows import Check, CsvRows
from askonce.tables.lines import RawLine, Splitter
from askonce.tables.packed import BLOCK, PlainInput
from askonce.tables.parquet_rows import ParquetRows
from askonce.tables.row import Row

Kind = Literal["jsonl", "csv", "tsv", "parquet"]
KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}
PACKED = frozenset({".gz", ".zst"})
ARRAY = "an array, not an object: `jq -c '.[]'` makes a line of each of its items"
OnBytes = Callable[[int], None]


class Divider(Protocol):
    """Divides blocks into rows."""

    def feed(self, block: bytes) -> Iterator[Row]: ...

    def end(self) -> Iterator[Row]: ...


def kind_of(path: str) -> Kind:
    """By the end of the name, without that of a packed file."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return KINDS.get(suffixes[-1], "jsonl") if suffixes else "jsonl"


def read_rows(
    path: str,
    *,
    kind: Kind | None = None,
    on_bytes: OnBytes = lambda _: None,
    check: Check | None = None,
    columns: Sequence[str] | None = None,
) -> Iterator[Row]:
    """Each row, the malformed ones with their reason. `-` is stdin.

    Args:
        path: The file.
        kind: What it is; None: as its name says.
        on_bytes: Called with the number of bytes read since the last call. (Of Parquet it is not called.)
        check: Looks at the names of the columns that a CSV or TSV file begins with.
        columns: Those of Parquet that are read; None: all.

    Raises ValueError if the file cannot be read, or is damaged.
    """
    kind = kind or kind_of(path)
    if kind == "parquet":
        yield from ParquetRows(path).rows(columns)
        return
    divider: Divider = JsonRows() if kind == "jsonl" else CsvRows(check, "\t" if kind == "tsv" else ",;\t")
    name = "stdin" if path == "-" else path
    plain = PlainInput(name)
    with closing(_blocks(path)) as blocks:
        for block in blocks:
            on_bytes(len(block))
            for part in plain.feed(block):
                yield from _named(name, divider.feed(part))
    for part in plain.end():
        yield from _named(name, divider.feed(part))
    yield from _named(name, divider.end())


def _named(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, with the file's name in what is wrong with it."""
    try:
        yield from rows
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _blocks(path: str) -> Generator[bytes]:
    try:
        file = sys.stdin.fileno() if path == "-" else os.open(path, os.O_RDONLY)
        try:
            while block := os.read(file, BLOCK):
                yield block
        finally:
            if path != "-":
                os.close(file)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


class JsonRows:
    """Objects, one a line."""

    def __init__(self) -> None:
        self._lines = Splitter()

    def feed(self, block: bytes) -> Iterator[Row]:
        return map(_object, self._lines.feed(block))

    def end(self) -> Iterator[Row]:
        return map(_object, self._lines.end())


def _object(line: RawLine) -> Row:
    if line.data is None:
        return Row(line.number, None, line.reason or "")
    try:
        fields = loads(line.data)
        reason = "not a JSON object"
    except ValueError as error:
        fields, reason = None, f"not JSON: {getattr(error, 'msg', error)}"
    if isinstance(fields, dict):
        return Row(line.number, fields)
    return Row(line.number, None, ARRAY if line.data.lstrip().startswith(b"[") else reason)

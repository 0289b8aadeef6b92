"""Writers of tables: JSON lines, CSV, TSV, Parquet."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from askonce.batch.table.prompt import cell_text
from askonce.json_values import dumps
from askonce.schemas.columns import Columns
from askonce.schemas.columns import Kind as ColumnKind
from askonce.tables.parquet_rows import MISSING
from askonce.tables.rows import KINDS, Kind

ROWS = 16_384
"""Size of a Parquet row group, which is in memory until it is written."""
JSON_LINES = (".jsonl", ".ndjson", ".json", "")
TEXT: ColumnKind = "text"
MOST_INTEGER = 2**63


class Writer(Protocol):
    def write(self, fields: Mapping[str, Any]) -> None:
        """Writes one row."""

    def close(self) -> None: ...


def open_writer(path: Path, kind: Kind, columns: Columns) -> Writer:
    """Raises OSError."""
    if kind == "jsonl":
        return JsonWriter(path)
    if kind == "parquet":
        return TextParquetWriter(path, columns)
    return CsvWriter(path, list(columns), "\t" if kind == "tsv" else ",")


def check_can_write(path: str, kind: Kind) -> None:
    """Checks the format before anything is asked. Raises ValueError."""
    if Path(path).suffix.lower() in (".gz", ".zst"):
        raise ValueError(f"{path}: the table is written plain: leave out {Path(path).suffix}")
    if Path(path).suffix.lower() not in (*KINDS, *JSON_LINES):
        raise ValueError(f"{path}: its name must end in {', '.join(KINDS)} or .jsonl, which says what is written")
    if kind == "parquet":
        try:
            import pyarrow as pa  # noqa: F401, PLC0415 - of an extra
        except ImportError as error:
            raise ValueError(f"{path}: {MISSING}") from error


class JsonWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, fields: Mapping[str, Any]) -> None:
        self._file.write(dumps({name: _plain(value) for name, value in fields.items()}) + b"\n")

    def close(self) -> None:
        self._file.close()


class CsvWriter:
    def __init__(self, path: Path, columns: Sequence[str], separator: str) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.DictWriter(self._file, columns, delimiter=separator, lineterminator="\n")
        self._rows.writeheader()

    def write(self, fields: Mapping[str, Any]) -> None:
        self._rows.writerow({name: cell_text(_plain(value)) for name, value in fields.items()})

    def close(self) -> None:
        self._file.close()


class TextParquetWriter:
    """Writes input columns as text, whatever type JSON lines had. Answer columns are typed."""

    def __init__(self, path: Path, columns: Columns) -> None:
        import pyarrow as pa  # noqa: PLC0415 - of an extra
        from pyarrow import parquet  # noqa: PLC0415

        self._rows: list[Mapping[str, Any]] = []
        self._make = pa.Table.from_pylist
        self._columns = columns
        self._schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns.items()])
        self._file = parquet.ParquetWriter(path, self._schema)

    def write(self, fields: Mapping[str, Any]) -> None:
        self._rows.append({name: typed_cell(value, self._columns[name]) for name, value in fields.items()})
        if len(self._rows) >= ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._make(self._rows, schema=self._schema))
        self._rows.clear()


def arrow_type(kind: ColumnKind) -> Any:
    """The Arrow type of a Parquet column."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    types = {"integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    return types.get(kind, pa.string())


def typed_cell(value: Any, kind: ColumnKind) -> Any:
    """The cell as a Parquet column takes it. Values that do not fit are left out: integers that are too large, and
    wrong types in an answer that was not checked against its schema."""
    if value is None:
        return None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("integer", "number"):
        is_one = isinstance(value, int | float) and not isinstance(value, bool)
        return _number(value, whole=kind == "integer") if is_one else None
    return cell_text(_plain(value))


def _number(value: float, *, whole: bool) -> float | None:
    if whole:
        return int(value) if -MOST_INTEGER <= value < MOST_INTEGER and value == int(value) else None
    return float(value)


def _plain(value: Any) -> Any:
    """Values that JSON cannot express, such as Parquet dates, as text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str | int | float | None) else str(value)

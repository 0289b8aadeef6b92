"""Arrow tables, and anything readable through Arrow's C interface: DuckDB, Daft, nanoarrow, …"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from askonce.tables.arrow_cells import values_of

ROWS = 4096
"""Rows that are Python objects at a time."""
AS_PYTHON = (
    (r"(\d{6})000(Z|[+-]\d{4})?$", r"\1\2"),
    (r"\.000000(Z|[+-]\d{4})?$", r"\1"),
    (r"Z$", "+0000"),
    (r"([+-]\d\d)(\d\d)$", r"\1:\2"),
)
"""Differences between Arrow's and Python's text of a time with nanoseconds."""


class ArrowFrame:
    """A `pyarrow.Table`. back: converts one to the kind of frame that was given."""

    def __init__(self, table: Any, back: Callable[[Any], Any]) -> None:
        self._table = table
        self._back = back

    @property
    def names(self) -> list[str]:
        return list(self._table.column_names)

    @property
    def rows(self) -> int:
        return int(self._table.num_rows)

    def cells(self, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        yield from cells_of(self._table.select(list(places)))

    def widened(self, added: Any) -> Any:
        table = self._table
        for field, column in zip(added.schema, added.columns, strict=True):
            table = table.append_column(field, column)
        return self._back(table)


def cells_of(table: Any) -> Iterator[tuple[Any, ...]]:
    """The rows of a `pyarrow.Table`."""
    for batch in table.to_batches(max_chunksize=ROWS):
        yield from zip(*(values_of(_spelt(column)) for column in batch.columns), strict=True)


def _spelt(column: Any) -> Any:
    """Writes times with nanoseconds as text, because Python has no type for them. Durations lose the nanoseconds."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import compute  # noqa: PLC0415

    if pa.types.is_duration(column.type):
        return column.cast(pa.duration("us"), safe=False)
    if getattr(column.type, "unit", None) != "ns":
        return column
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:  # its zone is unknown: the cells say so
        return column
    for pattern, replacement in AS_PYTHON:
        texts = compute.replace_substring_regex(texts, pattern, replacement)
    return texts


def arrow_of(frame: object) -> tuple[Any, Callable[[Any], Any]]:
    """A table, and the conversion back. A reader is consumed, because its rows are needed twice."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    if isinstance(frame, pa.RecordBatchReader):
        return frame.read_all(), lambda table: table.to_reader()
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame]), _as_batch
    return pa.table(frame), lambda table: table


def _as_batch(table: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    columns = [column.combine_chunks() for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, schema=table.schema)

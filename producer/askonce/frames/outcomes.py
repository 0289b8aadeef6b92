"""The result of each row, as Arrow columns."""

from typing import Any

from askonce.batch.table.added import Added, Adding
from askonce.batch.table.writers import arrow_type, typed_cell
from askonce.batch.totals import RunTotals
from askonce.frames.arrow_frame import ROWS

Part = list[Added]


class Outcomes:
    """The `Book` of a `Run`. Rows arrive in any order; complete parts are converted to Arrow at once.

    Attributes:
        totals: Counts of the rows that are done.
        broken, is_full: Always False, because it is in memory and never saved.

    Args:
        rows: The number of rows.
        adding: Makes cells of a record.
    """

    broken = False
    is_full = False

    def __init__(self, rows: int, adding: Adding) -> None:
        self.totals = RunTotals()
        self._rows = rows
        self._adding = adding
        self._open: dict[int, tuple[Part, list[int]]] = {}
        self._done: dict[int, Any] = {}

    def add(self, record: dict[str, Any], *, asked: str | None) -> None:
        """Adds the record of one row."""
        self.totals.add(record, self._adding.prices, asked=asked)
        index, place = divmod(record["askonce"]["line"] - 1, ROWS)
        if index not in self._open:
            size = min(ROWS, self._rows - index * ROWS)
            self._open[index] = [{}] * size, [size]
        part, left = self._open[index]
        part[place] = self._adding.cells(record)
        left[0] -= 1
        if not left[0]:
            del self._open[index]
            self._done[index] = self._packed(part)

    async def keep(self) -> None:
        """Does nothing: everything stays in memory."""

    async def complete(self) -> None:
        """The same."""

    def table(self) -> Any:
        """A `pyarrow.Table` of all rows, once all have arrived."""
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        return pa.Table.from_batches([self._done[index] for index in sorted(self._done)], self._schema())

    def _packed(self, part: Part) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        columns = [
            pa.array([typed_cell(row[name], kind) for row in part], arrow_type(kind))
            for name, kind in self._adding.columns.items()
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema())

    def _schema(self) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        return pa.schema([(name, arrow_type(kind)) for name, kind in self._adding.columns.items()])

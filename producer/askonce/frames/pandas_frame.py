"""pandas frames, read in parts so that there is no second copy in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

from askonce.frames.arrow_frame import ROWS, cells_of


class PandasFrame:
    """A `pandas.DataFrame`, whose column names may be numbers or duplicates.

    Raises ValueError for multi-level columns.
    """

    def __init__(self, frame: Any) -> None:
        if frame.columns.nlevels > 1:
            raise ValueError("the frame's columns have several levels: give each one name (frame.columns = [...])")
        self._frame = frame

    @property
    def names(self) -> list[str]:
        return [name if isinstance(name, str) else str(name) for name in self._frame.columns]

    @property
    def rows(self) -> int:
        return len(self._frame)

    def cells(self, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, self.rows, ROWS):
            part = self._frame.iloc[start : start + ROWS]
            yield from zip(*(_cells(part.iloc[:, place]) for place in places), strict=True)

    def widened(self, added: Any) -> Any:
        """Integers and booleans use pandas' nullable types, so that missing values do not change their type."""
        import pandas as pd  # noqa: PLC0415 - the caller's
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        widened = self._frame.copy(deep=False)
        for name, column in added.to_pandas(types_mapper=nullable.get).items():
            widened[name] = column.array
        return widened


def _cells(column: Any) -> list[Any]:
    """Yields each cell unchanged. Arrow would infer one type for all objects, so a cell's text would depend on other
    rows."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    if hasattr(column.dtype, "pyarrow_dtype"):
        return [cell for (cell,) in cells_of(pa.table({"cell": pa.array(column.array)}))]
    return [None if missing else cell for cell, missing in zip(column.astype(object), column.isna(), strict=True)]

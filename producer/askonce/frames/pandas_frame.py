"""Frames of pandas: read through Arrow a part at a time, so that no second copy of them is in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

from askonce.frames.arrow_frame import ROWS, cells_of


class PandasFrame:
    """A `pandas.DataFrame`, whose columns may be named by numbers, and several of them alike."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @property
    def names(self) -> list[str]:
        return [str(name) for name in self._frame.columns]

    @property
    def rows(self) -> int:
        return len(self._frame)

    def cells(self, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, self.rows, ROWS):
            yield from _cells(self._frame.iloc[start : start + ROWS, list(places)].reset_index(drop=True))

    def widened(self, added: Any) -> Any:
        """Whole numbers and truth values stay such beside missing ones: they are of pandas' nullable types."""
        import pandas as pd  # noqa: PLC0415 - the caller's
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
        columns = added.to_pandas(types_mapper=nullable.get)
        columns.index = self._frame.index
        return self._frame.assign(**{name: columns[name] for name in columns})


def _cells(part: Any) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415 - of an extra

    try:
        table = pa.table(part)
    except (pa.ArrowException, TypeError):
        # A column of Python objects of several kinds, which Arrow does not know.
        kept = part.astype(object).where(part.notna(), None)
        yield from kept.itertuples(index=False, name=None)
    else:
        yield from cells_of(table.select(list(range(part.shape[1]))))

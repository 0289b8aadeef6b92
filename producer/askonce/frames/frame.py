"""One interface to the frames of all libraries: named columns, row-wise reading, and adding columns."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from askonce.frames.arrow_frame import ArrowFrame, arrow_of
from askonce.frames.pandas_frame import PandasFrame
from askonce.frames.polars_frame import PolarsFrame

Cells = tuple[Any, ...]
MISSING = "a data frame needs pyarrow: pip install 'askonce[tables]'"
STREAM = "__arrow_c_stream__"
MAKES_ONE: dict[type, str] = {
    list: "; pyarrow.Table.from_pylist(rows) makes one of dictionaries",
    dict: "; pyarrow.table(columns) makes one",
    str: "; for a file there is `askonce batch --prompt`",
}


class Frame(Protocol):
    """names: column names, as text, in order. rows: number of rows."""

    @property
    def names(self) -> list[str]: ...

    @property
    def rows(self) -> int: ...

    def cells(self, places: Sequence[int]) -> Iterator[Cells]:
        """Yields the cells of some columns, row by row, as Python values; missing ones are None."""

    def widened(self, added: Any) -> Any:
        """The original frame, with the columns of a `pyarrow.Table` after its own."""


def open_frame(frame: object) -> Frame:
    """Raises TypeError if it is not a frame, and ImportError without pyarrow."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise ImportError(MISSING) from error
    if _is_of(frame, "polars", "LazyFrame"):
        raise TypeError("a LazyFrame has no rows yet: give frame.collect()")
    if (
        _is_of(frame, "pandas", "Series")
        or _is_of(frame, "polars", "Series")
        or isinstance(frame, pa.Array | pa.ChunkedArray)
    ):
        raise TypeError(f"{type(frame).__name__} is a column: give frame[['text']], or askonce.run(column)")
    if not hasattr(frame, STREAM) and not hasattr(frame, "__arrow_c_array__"):
        hint = MAKES_ONE.get(type(frame), "")
        if _is_of(frame, "pandas", "DataFrame"):
            hint = "; pandas has it from 2.2 on"
        raise TypeError(f"{type(frame).__name__} is not a data frame: it has no {STREAM}{hint}")
    if _is_of(frame, "pandas", "DataFrame"):
        return PandasFrame(frame)
    if _is_of(frame, "polars", "DataFrame"):
        return PolarsFrame(frame)
    return ArrowFrame(*arrow_of(frame))


def _is_of(frame: object, library: str, name: str) -> bool:
    """Whether it is an instance of this class, without importing the library."""
    return any(each.__name__ == name and each.__module__.split(".")[0] == library for each in type(frame).__mro__)

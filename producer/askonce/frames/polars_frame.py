"""Frames of polars."""

from collections.abc import Iterator, Sequence
from typing import Any

from askonce.frames.arrow_frame import cells_of


class PolarsFrame:
    """A `polars.DataFrame`."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    @property
    def names(self) -> list[str]:
        return list(self._frame.columns)

    @property
    def rows(self) -> int:
        return len(self._frame)

    def cells(self, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        import pyarrow as pa  # noqa: PLC0415 - of an extra

        # Only these columns: Arrow has no type for a column of Python objects.
        yield from cells_of(pa.table(self._frame.select([self.names[place] for place in places])))

    def widened(self, added: Any) -> Any:
        import polars as pl  # noqa: PLC0415 - the caller's

        return self._frame.hstack(pl.DataFrame(added))

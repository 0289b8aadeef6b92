"""Rows of a Parquet file, by its row groups. Needs pyarrow, of the extra `askonce[tables]`."""

from collections.abc import Iterator, Sequence

from askonce.tables.arrow_cells import values_of
from askonce.tables.row import Row

ROWS = 1024
"""That are in memory at once, beside the row group that they are read from."""
MISSING = "Parquet needs pyarrow: pip install 'askonce[tables]'"


class ParquetRows:
    """Raises ValueError if there is no pyarrow, or the file is no Parquet file."""

    def __init__(self, path: str) -> None:
        try:
            from pyarrow import ArrowException, parquet  # noqa: PLC0415 - of an extra
        except ImportError as error:
            raise ValueError(f"{path}: {MISSING}") from error
        self._path = path
        self._error: type[Exception] = ArrowException
        try:
            self._file = parquet.ParquetFile(path)
        except (OSError, ArrowException) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not a Parquet file"
            raise ValueError(f"{path}: {reason}") from error

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self._file.schema_arrow.names)

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Once. columns: those that are read; None: all."""
        number = 0
        try:
            for batch in self._file.iter_batches(ROWS, columns=columns):
                for cells in zip(*map(values_of, batch.columns), strict=True):
                    number += 1
                    yield Row(number, dict(zip(batch.schema.names, cells, strict=True)))
        except (OSError, self._error) as error:
            raise ValueError(f"{self._path}: damaged after row {number:,}") from error
        finally:
            self._file.close()

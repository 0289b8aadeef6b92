"""The table of the answers, written as a whole once every row is done.

It is written under another name first, so a reader finds either the whole table or the previous one. A killed process
could not resume a Parquet file, so answers are kept in a batch's own files until then.
"""

import asyncio
import os
from contextlib import closing
from pathlib import Path

from askonce.batch.opening import Paths
from askonce.batch.table.added import Adding
from askonce.batch.table.results import Results
from askonce.batch.table.table import Table
from askonce.batch.table.writers import ROWS, TEXT, arrow_type, open_writer, typed_cell
from askonce.prices.load import Prices
from askonce.tables.rows import kind_of, read_rows


def refuse_stranger(table: Table, journal: Path | None, *, restart: bool) -> None:
    """Raises ValueError if the output exists and was not made by an earlier run."""
    if Path(table.output).exists() and not restart and not (journal and journal.exists()):
        raise ValueError(f"{table.output} already exists without a batch journal next to it; --restart starts over")


async def finish(table: Table, paths: Paths, prices: Prices, model: str | None) -> None:
    """Writes the table. Raises OSError, and ValueError if the input has changed meanwhile."""
    if paths.out is not None and paths.errors is not None:
        adding = Adding(table.answers, prices, model or "")
        with closing(Results((paths.out, paths.errors), adding)) as results:
            await asyncio.to_thread(_write, table, results)


def _write(table: Table, results: Results) -> None:
    path = Path(table.output)
    part = path.with_name(f"{path.name}.part")
    try:
        if kind_of(table.input) == kind_of(table.output) == "parquet":
            _widen_parquet(table, part, results)
        else:
            _write_rows(table, part, results)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_rows(table: Table, part: Path, results: Results) -> None:
    columns = {**dict.fromkeys(table.columns, TEXT), **table.added}
    with closing(open_writer(part, kind_of(table.output), columns)) as writer:
        for row in read_rows(table.input):
            writer.write({**(row.fields or {}), **results.of(row.number)})
    _sync(part)


def _widen_parquet(table: Table, part: Path, results: Results) -> None:
    """Copies the columns of the input unchanged, whatever their types."""
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    from pyarrow import parquet  # noqa: PLC0415

    number, kinds = 0, table.added
    with parquet.ParquetFile(table.input) as file:
        schema = file.schema_arrow
        for name, kind in kinds.items():
            schema = schema.append(pa.field(name, arrow_type(kind)))
        with parquet.ParquetWriter(part, schema) as writer:
            for batch in file.iter_batches(ROWS):
                found = [results.of(number + place) for place in range(1, batch.num_rows + 1)]
                number += batch.num_rows
                added = [
                    pa.array([typed_cell(each[name], kind) for each in found], arrow_type(kind))
                    for name, kind in kinds.items()
                ]
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema))
    _sync(part)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""The rows of a table, from a file or in memory, as lines of a batch."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson

from askonce.batch.sampling import Reservoir
from askonce.batch.table.prompt import Prompt, cell_text
from askonce.json_values import dumps
from askonce.tables.lines import RawLine
from askonce.tables.row import Row

BLOCK = 256
"""Rows read before yielding to the event loop."""


async def lines_of(rows: Iterable[Row], prompt: Prompt, id_column: str | None = None) -> AsyncIterator[list[RawLine]]:
    """Yields lists of lines. id_column: the column with the custom ids."""
    block: list[RawLine] = []
    for row in rows:
        block.append(line_of(row, prompt, id_column))
        if len(block) >= BLOCK:
            yield block
            block = []
            await asyncio.sleep(0)
    yield block


def line_of(row: Row, prompt: Prompt, id_column: str | None = None) -> RawLine:
    if row.fields is None:
        return RawLine(row.number, None, row.reason)
    try:
        line: dict[str, Any] = prompt.fill(row.fields)
        if id_column is not None:
            line["id"] = cell_text(row.fields.get(id_column)) or None
        return RawLine(row.number, dumps(line))
    except UnicodeEncodeError:
        return RawLine(row.number, None, "a cell contains half of a surrogate pair, which is not valid text")
    except ValueError as error:
        return RawLine(row.number, None, str(error))


def sampled(rows: Iterable[Row], prompt: Prompt) -> tuple[int, list[list[str]]]:
    """The number of rows, and a sample of the cells to ask about."""
    reservoir = Reservoir()
    for row in rows:
        reservoir.add(RawLine(row.number, _cells(row, prompt)))
    return reservoir.seen, [orjson.loads(data) for data in reservoir.sample]


def _cells(row: Row, prompt: Prompt) -> bytes | None:
    """The cells as JSON; None for a row that cannot be asked."""
    try:
        return None if row.fields is None else dumps(list(prompt.cells(row.fields).values()))
    except ValueError:
        return None

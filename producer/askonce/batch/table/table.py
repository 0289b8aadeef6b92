"""A table file, and the question for each of its rows."""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askonce.batch.sampling import Survey
from askonce.batch.table.added import FACTS, answer_columns, refuse_taken
from askonce.batch.table.asked import line_of, lines_of, sampled
from askonce.batch.table.prompt import Prompt, check_columns, parse_prompt, with_compared
from askonce.batch.table.writers import check_can_write
from askonce.schemas.columns import Columns
from askonce.tables.lines import RawLine
from askonce.tables.parquet_rows import ParquetRows
from askonce.tables.row import Row
from askonce.tables.rows import kind_of, read_rows

NAMELESS = "two columns have no name: name them in the first row, or leave them out"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a question for each row.

    Attributes:
        input, output: Paths.
        columns: The columns of the input.
        answers: The columns of the answer.
        id_column: The column with the custom ids.
        how: Which column is compared, and why.
    """

    input: str
    output: str
    columns: tuple[str, ...]
    answers: Columns
    prompt: Prompt
    id_column: str | None
    how: str

    @property
    def added(self) -> Columns:
        """All columns the output adds to the input's."""
        return {**self.answers, **FACTS}

    def lines(self) -> AsyncIterator[list[RawLine]]:
        """The lines to ask. Raises ValueError if the file is damaged."""
        return lines_of(_rows(self.input, self.prompt, self.id_column, {}), self.prompt, self.id_column)


def check_files(source: str, output: str) -> None:
    """Raises ValueError if there is nothing to read or write."""
    if "-" in (source, output):
        raise ValueError("--prompt reads the table twice, and writes it at the end: name two files")
    for path, is_there in ((Path(source), Path(source).is_file()), (Path(output).parent, Path(output).parent.is_dir())):
        if not is_there:
            raise ValueError(f"{path}: there is no such {'file' if path == Path(source) else 'directory'}")
    if Path(output).is_dir():
        raise ValueError(f"{output} is a directory")
    if Path(output).resolve() == Path(source).resolve():
        raise ValueError(f"{output} is the input already, and cannot be the output too")
    check_can_write(output, kind_of(output))


def open_table(
    source: str, output: str, prompt: str, id_column: str | None, schema: Mapping[str, Any] | None
) -> tuple[Table, Survey]:
    """Reads the table twice. Raises ValueError, OSError."""
    parsed, answers = parse_prompt(prompt), answer_columns(schema)
    columns: dict[str, None] = {}
    unread: list[str] = []
    if kind_of(source) == "parquet":
        columns = dict.fromkeys(ParquetRows(source).names)
        _check(source, columns, parsed, id_column, answers)  # Parquet reads nothing for unknown names

    def rows() -> Iterator[Row]:
        for row in _rows(source, parsed, id_column, columns):
            columns.update(dict.fromkeys(row.fields or ()))
            if row.fields is None and not unread:
                unread.append(f"line {row.number}: {row.reason}")
            yield row

    seen, cells = sampled(rows(), parsed)
    if unread and not columns:
        raise ValueError(f"{source}: read as JSON lines, as its name says, and none is a JSON object ({unread[0]})")
    _check(source, columns, parsed, id_column, answers)
    compared, how = with_compared(parsed, cells)
    table = Table(source, output, tuple(columns), answers, compared, id_column, how)
    with Path(source).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    filled = (line_of(Row(0, dict(zip(compared.columns, row, strict=True))), compared) for row in cells)
    return table, Survey(digest, seen, [line.data for line in filled if line.data is not None])


def _check(source: str, columns: dict[str, None], prompt: Prompt, id_column: str | None, answers: Columns) -> None:
    if not columns:
        return  # no lines of JSON
    has_head = kind_of(source) in ("csv", "tsv")
    there = f"the first row of {source}, which names the columns, has" if has_head else "there are"
    check_columns(prompt.columns, columns, "--prompt", there)
    check_columns([id_column] if id_column else [], columns, "--id", there)
    refuse_taken(answers, columns, "the input")


def _rows(source: str, prompt: Prompt, id_column: str | None, names: dict[str, None]) -> Iterator[Row]:
    """names: receives the header of a CSV file."""
    columns = dict.fromkeys([*prompt.columns, *([id_column] if id_column else [])])

    def check(found: list[str]) -> None:
        twice = next((name for name in found if found.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two columns have the name {twice}: rename one" if twice else NAMELESS)
        names.update(dict.fromkeys(found))

    return read_rows(source, check=check, columns=list(columns))

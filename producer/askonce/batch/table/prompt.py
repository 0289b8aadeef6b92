"""`--prompt`: a text with column names in braces, filled in by each row. `{{` and `}}` are literal braces."""

import difflib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from askonce.json_values import dumps
from askonce.question_checks import PLACEHOLDER
from askonce.tables.arrow_cells import NoValue

PART = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")
FEW = 10
"""A column has few values if, in a sample, each occurs in this many rows on average."""

SHOWN, LONGEST = 20, 40
"""Columns that an error message names, and characters of a name in it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The question for each row.

    Attributes:
        parts: Fixed texts and column names, in turn: the first, third, … part is a text.
        compared: The column matched by similarity; the others must be equal. None: all must be equal.
    """

    parts: tuple[str, ...]
    compared: str | None = None

    @property
    def columns(self) -> list[str]:
        """Each once, in the order of the prompt."""
        return list(dict.fromkeys(self.parts[1::2]))

    def fill(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The question of a row, as fields of `Question`. Raises ValueError for a row with nothing to ask."""
        cells = self.cells(fields)
        if self.compared is not None and cells[self.compared].strip():
            template = self._around({**cells, self.compared: PLACEHOLDER})
            if template == PLACEHOLDER:
                return {"question": cells[self.compared]}
            if template.count(PLACEHOLDER) == 1:
                return {"question": cells[self.compared], "template": template}
        return {"question": self._around(cells), "semantic": False}

    def cells(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """The text of each column. Raises ValueError if one has no text form, or all are empty."""
        missing = [column for column in self.columns if is_null(fields.get(column))]
        cells = {column: cell_text(fields.get(column)) for column in self.columns}
        if missing or not any(text.strip() for text in cells.values()):
            raise ValueError(f"no value in {_listed(missing or self.columns)}")
        return cells

    def _around(self, cells: Mapping[str, str]) -> str:
        return "".join(cells[part] if place % 2 else part for place, part in enumerate(self.parts))


def parse_prompt(given: str, option: str = "--prompt") -> Prompt:
    """Parses a prompt. Raises ValueError. option: its name in error messages."""
    parts, text, end = [], "", 0
    for found in PART.finditer(given):
        text += given[end : found.start()]
        end = found.end()
        if found[1] is not None:
            parts += [text, found[1].strip()]
            text = ""
        elif found[0] in ("{", "}"):
            raise ValueError(f"{option}: a {found[0]} alone: write {found[0] * 2} for a brace, {{column}} for a column")
        else:
            text += found[0][0]
    if not parts:
        raise ValueError(f"{option} names no column: write {{column}} where its text belongs")
    return Prompt((*parts, text + given[end:]))


def check_columns(names: Collection[str], known: Collection[str], option: str, there: str = "there are") -> None:
    """Raises ValueError for a name that is not a column. there: what the message says before the columns' names."""
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 1)
            meant = f" (did you mean {nearest[0]}?)" if nearest else ""
            shown = [column if len(column) <= LONGEST else f"{column[:LONGEST]}…" for column in list(known)[:SHOWN]]
            more = f", and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
            raise ValueError(f"{option}: there is no column {name}{meant}; {there} {_listed(shown)}{more}")


def with_compared(prompt: Prompt, sample: Sequence[Sequence[str]]) -> tuple[Prompt, str]:
    """The prompt with the column to compare, and the reason for that choice.

    Values that become part of the template must be equal. That is never wrong, and cheap if there are few of them. So
    if all columns but one have few values, that one is compared. If several vary freely, no single text represents a
    row: two rows may agree in one column and differ in another, which an embedding of both would not show.

    Args:
        sample: The cells of some rows, in the order of `columns`.
    """
    columns = prompt.columns
    free = [
        column
        for column, cells in zip(columns, zip(*sample, strict=True), strict=False)
        if len(set(cells)) * FEW > len(cells)
    ]
    if len(columns) == 1:
        free = columns
    if len(free) == 1 and prompt.parts[1::2].count(free[0]) == 1:
        others = [column for column in columns if column != free[0]]
        equal = f"; {_listed(others)} must be equal (few values)" if others else ""
        return replace(prompt, compared=free[0]), f"{{{free[0]}}} is matched by similarity{equal}"
    if len(free) == 1:
        return prompt, f"matched exactly only: {{{free[0]}}} occurs in the prompt twice"
    why = f"{_listed(free)} vary, and only one column can be compared" if free else "all columns have few values"
    return prompt, f"matched exactly only: {why}"


def is_null(value: Any) -> bool:
    """NaN is how pandas marks a missing value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def cell_text(value: Any) -> str:
    """A cell as a person would write it. Raises ValueError for bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, NoValue):
        raise ValueError(value.reason)
    if isinstance(value, bytes | bytearray | memoryview):
        raise ValueError("a cell holds bytes, not text")
    if hasattr(value, "tolist"):
        value = _of_numpy(value)
    if is_null(value):
        return ""
    if not isinstance(value, bool | int | float | list | tuple | dict) or value in (math.inf, -math.inf):
        return str(value)
    try:
        return dumps(value, default=_of_numpy).decode()
    except (TypeError, RecursionError) as error:
        raise ValueError("a cell holds a list of what is neither text nor number") from error


def _of_numpy(value: Any) -> Any:
    """Numpy numbers and arrays (as pandas reads lists from Parquet) as Python values. Raises TypeError."""
    if not hasattr(value, "tolist"):
        raise TypeError(f"{type(value).__name__} is neither text nor number")
    is_time = getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")  # `tolist` would give nanoseconds
    return (value.astype(str) if is_time else value).tolist()


def _listed(names: Sequence[str]) -> str:
    *first, last = [f"{{{name}}}" for name in names] or ["none"]
    return f"{', '.join(first)} and {last}" if first else last

"""One row of a table."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A row, whatever file it comes from.

    Attributes:
        number: From 1: of the line that it begins on, or of the row where the file has no lines.
        fields: By column; cells have the types of the file: CSV has only strings. None for a row that is malformed.
        reason: Why it is malformed.
    """

    number: int
    fields: dict[str, Any] | None
    reason: str = ""

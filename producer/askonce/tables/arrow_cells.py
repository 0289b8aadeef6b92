"""Columns of Arrow as Python has them, cell by cell where one of them has no place there."""

from dataclasses import dataclass
from typing import Any

FAULTS = (ValueError, OverflowError, KeyError)  # a KeyError: pytz, which Arrow uses if there is one
"""Errors of a date after the year 9999, an unknown time zone, or text that is not UTF-8."""
MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class NoValue:
    """A cell that cannot be read. reason: why."""

    reason: str

    def __str__(self) -> str:
        return f"<{self.reason}>"


def values_of(column: Any) -> list[Any]:
    """The values of a `pyarrow.Array`."""
    try:
        found: list[Any] = column.to_pylist()
    except FAULTS:
        return [_value(cell) for cell in column]
    return found


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except FAULTS as error:
        return NoValue(f"a cell cannot be read: {error}"[:MOST_WORDS])

"""Plain text tables, and how numbers, money, sizes and durations are written in them."""

import re
from collections.abc import Iterable, Sequence

from askonce.prices.money import amount

GAP = "  "
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control and bidirectional characters, except for tabs and line ends."""


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, width: int | None = None, whole: int = 0
) -> str:
    """Columns as wide as they need to be.

    Args:
        heads: the title of each column.
        rows: the cells of each row.
        left: how many columns are left-aligned. If the table is too wide, these are shortened.
        width: maximum characters of a line.
        whole: how many of the first columns are never shortened.
    """
    lines = [list(heads), *([visible(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    if width is not None:
        widths = _shortened(widths, range(whole, left), width)
    lines.insert(1, ["-" * size for size in widths])
    return "\n".join(GAP.join(_cells(line, widths, left)).rstrip() for line in lines)


def _shortened(widths: list[int], columns: range, width: int) -> list[int]:
    """Shortens the widest of these columns, down to eight characters."""
    widths = list(widths)
    while sum(widths) + len(GAP) * (len(widths) - 1) > width:
        widest = max(columns, key=lambda column: widths[column])
        if widths[widest] <= 8:
            break
        widths[widest] -= 1
    return widths


def _cells(line: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    return [
        shortened(word, size).ljust(size) if column < left else word.rjust(size)
        for column, (word, size) in enumerate(zip(line, widths, strict=True))
    ]


def shortened(text: str, width: int) -> str:
    """The beginning and the end of a text that is too long."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"


def visible(text: str) -> str:
    """The text with control characters escaped as in JSON, because it may come from others."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def number(value: int) -> str:
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """A number and its noun."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def money(value: float) -> str:
    """Two decimals, more for a small sum."""
    return amount(value)


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.1f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def age(value: float) -> str:
    """A duration as people say it."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if value >= 2 * length:
            return f"{value / length:.0f} {unit}"
    return f"{value:.1f} s"

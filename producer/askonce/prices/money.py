"""Money as integers, because Redis adds up millions of amounts, which must not drift."""

import math
from decimal import ROUND_HALF_EVEN, Decimal

NANO = 1_000_000_000
"""Billionths in a dollar. A token of a cheap model costs about ten."""


def to_nano(amount: Decimal | float | str) -> int:
    """Billionths of an amount, rounded to the nearest one."""
    exact = Decimal(repr(amount)) if isinstance(amount, float) else Decimal(amount)
    return int((exact * NANO).to_integral_value(ROUND_HALF_EVEN))


def from_nano(nano: int) -> float:
    """The amount, for people and for metrics."""
    return nano / NANO


def amount(value: float) -> str:
    """An amount for people: two decimals, four below 1, and two significant digits for smaller ones."""
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    return f"{value:.{max(4, 1 - math.floor(math.log10(abs(value))))}f}"

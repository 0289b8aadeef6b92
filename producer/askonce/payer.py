"""Whose money a question may cost: a key of the front door, with the bound that it has."""

from dataclasses import dataclass

PERIODS = ("day", "month")
"""Of UTC."""


@dataclass(frozen=True, slots=True)
class Payer:
    """nano: billionths of the workers' currency that the key may spend in a period."""

    key: str
    nano: int
    period: str

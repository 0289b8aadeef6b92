"""Who pays for a question: a key of the front door, with its budget."""

from dataclasses import dataclass

PERIODS = ("day", "month")
"""Budget periods, in UTC."""


@dataclass(frozen=True, slots=True)
class Payer:
    """nano: billionths of the workers' currency that the key may spend in a period."""

    key: str
    nano: int
    period: str

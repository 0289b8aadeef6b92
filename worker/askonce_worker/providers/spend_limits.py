"""Budgets of namespaces, such as `default=200/day, shop=1000/month`. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from askonce.errors import InvalidQuestion
from askonce.prices.money import amount as shown
from askonce.prices.money import from_nano, to_nano
from askonce.question_checks import check_namespace

PERIODS = ("day", "month")
MOST = 1_000_000
"""Maximum in the currency: the scripts count exactly up to nine times as much."""
ONE = re.compile(r"([^=\s]+)\s*=\s*([\d.]+)\s*/\s*(\w+)")


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """nano: billionths of the currency. period: a day or a month of UTC."""

    nano: int
    period: str


@dataclass(slots=True)
class Aside:
    """Reserved money. cost: the actual cost in billionths; None if only the provider knows."""

    namespace: str
    name: str
    nano: int
    cost: int | None = None


def spend_limits(setting: str) -> Mapping[str, SpendLimit]:
    """The limits by namespace. Raises ValueError."""
    found: dict[str, SpendLimit] = {}
    for part in filter(None, (each.strip() for each in setting.split(","))):
        namespace, limit = _read(part)
        if namespace in found:
            raise ValueError(f"{namespace} has two budgets")
        found[namespace] = limit
    return found


def refusal_of(namespace: str, limit: SpendLimit, spent: int, nano: int, currency: str) -> str:
    """Why a call with this possible cost is refused after this much was spent (billionths)."""
    money = f"{shown(from_nano(spent))} of {shown(from_nano(limit.nano))} {currency} are spent"
    return (
        f"the budget of {namespace} for this {limit.period}: {money}, and this call may cost {shown(from_nano(nano))}"
    )


def _read(part: str) -> tuple[str, SpendLimit]:
    read = ONE.fullmatch(part)
    if read is None or read[3] not in PERIODS:
        raise ValueError(f"{part!r} is not NAMESPACE=AMOUNT/day or /month")
    try:
        check_namespace(read[1])
        amount = Decimal(read[2])
    except (InvalidQuestion, InvalidOperation) as error:
        raise ValueError(f"{part!r} is not NAMESPACE=AMOUNT/day or /month") from error
    nano = to_nano(amount) if amount <= MOST else 0
    if nano < 1:
        raise ValueError(f"{part!r}: the amount is at least a billionth and at most {MOST:,}")
    return read[1], SpendLimit(nano, read[3])

"""Budgets of namespaces and what they have spent, as workers store it in Redis (`BudgetKeys.sums`). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from askonce.prices.money import from_nano


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Money in the workers' currency. held: reserved for calls in flight. ends: end of the day or month (Unix s)."""

    namespace: str
    period: str
    limit: float
    spent: float
    held: float
    ends: int


def read_budgets(reply: Mapping[bytes, bytes] | list[bytes], *, now: int) -> list[BudgetState]:
    """reply: of HGETALL. now: Unix s. Leaves out budgets that were not used in the current day or month."""
    fields = reply if isinstance(reply, Mapping) else dict(zip(reply[::2], reply[1::2], strict=True))
    facts: dict[str, dict[str, str]] = {}
    for raw, value in fields.items():
        namespace, _, fact = raw.decode().partition("|")
        facts.setdefault(namespace, {})[fact] = value.decode()
    known = [_state(namespace, found) for namespace, found in sorted(facts.items())]
    return [state for state in known if state.ends > now]


def _state(namespace: str, facts: Mapping[str, str]) -> BudgetState:
    limit, spent, held = (from_nano(int(facts.get(name, "0"))) for name in ("limit", "spent", "held"))
    return BudgetState(namespace, facts.get("period", "day"), limit, spent, held, int(facts.get("ends", "0")))

"""What namespaces may spend and have spent, as workers keep it in Redis (`BudgetKeys.sums`). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from askonce.prices.money import from_nano


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Money in the workers' currency. held: set aside for calls under way. ends: of the day or month (Unix s)."""

    namespace: str
    period: str
    limit: float
    spent: float
    held: float
    ends: int


def read_budgets(reply: Mapping[bytes, bytes] | list[bytes], *, now: int) -> list[BudgetState]:
    """reply: HGETALL's. now: Unix s. Budgets that have not been used since the last day or month are left out."""
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

"""The keys of namespaces' budgets, documented as in `keys.py`. All are written by reserve_money.lua, settle_money.lua,
count_spent.lua and the scripts of parked questions, whose money is held with them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BudgetKeys:
    prefix: str

    @property
    def sums(self) -> str:
        """hash: `namespace|fact` about its money (budget_now.lua); for ever."""
        return f"{self.prefix}:budgets"

    @property
    def longest(self) -> str:
        """hash: model -> tokens of its longest answer; a month after one was longer; keep_longest.lua."""
        return f"{self.prefix}:budgets:longest"

    def held(self, namespace: str) -> str:
        """sorted set: `call:billionths` -> when it lapses (Unix ms); until it is settled."""
        return f"{self.prefix}:budgets:held:{namespace}"

    def lapsed(self, namespace: str) -> str:
        """sorted set: `call:billionths` -> when it lapsed (Unix s); until it is settled, or its day or month ends."""
        return f"{self.prefix}:budgets:lapsed:{namespace}"

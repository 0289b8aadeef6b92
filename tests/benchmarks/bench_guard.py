"""What the guard costs: one comparison of two near questions, with their features known and without.

The floor is the same loop with an empty comparison. Medians of several runs.

    python tests/benchmarks/bench_guard.py
"""

import statistics
import sys
import time
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from askonce_worker.matching.guard.features import worked_out
from askonce_worker.matching.match import conflict
from unit.test_guard_kinds import APART as KINDS
from unit.test_guard_kinds import TOGETHER

RUNS = 15
ROUNDS = 20
ASKED = (
    "How do I {} in the app?",
    "How can I {} with the app?",
    "Please tell me how to {} in the app",
    "怎么{}",
    "如何{}呢",
)
WHAT = ("close my account", "order a new card", "change the address of my invoices", "导出发票", "修改账单地址")


def near() -> list[tuple[str, str]]:
    """Paraphrases of some length, none of which a rule refuses: each comparison asks all rules."""
    pairs = [
        (one.format(what), other.format(what)) for one, other, what in product(ASKED, ASKED, WHAT) if one is not other
    ]
    return [pair for pair in (*TOGETHER, *pairs) if conflict(*pair) is None]


def seconds(compare, pairs) -> float:
    began = time.process_time()
    for _ in range(ROUNDS):
        for question, other in pairs:
            compare(question, other)
    return (time.process_time() - began) / ROUNDS / len(pairs)


def cold(question: str, other: str) -> None:
    worked_out([question])
    worked_out([other])


def main() -> None:
    apart = [pair for pairs in KINDS.values() for pair in pairs]
    for name, pairs in (("refused by no rule", near()), ("refused by one", apart)):
        for what, compare in (("floor", lambda *_: None), ("compare", conflict), ("features of both", cold)):
            found = statistics.median(seconds(compare, pairs) for _ in range(RUNS if compare is not cold else 3))
            print(f"{name:20} {len(pairs):4} pairs  {what:18} {found * 1e6:8.2f} µs", flush=True)


if __name__ == "__main__":
    main()

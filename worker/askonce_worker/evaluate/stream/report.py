"""How a stream would be served: with fixed thresholds, and by the error ledger. All shares are of the requests."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askonce_worker.audit.matches import Floats
from askonce_worker.audit.rate import Seen, estimates
from askonce_worker.evaluate.stream.playing import Played

QUARTERS = 4
LOOSER = (3, 6)
"""The other fixed thresholds are this many times as far from 1 as the profile's."""


@dataclass(frozen=True, slots=True)
class Shares:
    """checks: matches that were put to the LLM nevertheless; they do not count as hits."""

    hits: float
    wrong: float
    checks: float


@dataclass(frozen=True, slots=True)
class Row:
    """One way to serve, averaged over the orders. threshold: None unless it is fixed. worst: the highest share of wrong
    hits in any order. over: the number of orders in which that share exceeds the budget."""

    name: str
    threshold: float | None
    whole: Shares
    quarters: list[Shares]
    worst: float
    over: int


@dataclass(frozen=True, slots=True)
class Known:
    """The share of wrong hits in one order: as its checks estimate it without the labels, and the truth."""

    wrong: float
    low: float
    high: float
    truth: float


@dataclass(frozen=True, slots=True)
class StreamReport:
    """known: one per order. without: number of questions left out for lack of a vector. shuffled: whether the orders
    are random instead of the file's own."""

    stream: str
    model: str
    budget: float
    seed: int
    requests: int
    labels: int
    without: int
    orders: int
    shuffled: bool
    rows: list[Row]
    known: list[Known]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Order:
    """One order of the stream, played by cosine alone and with the learnt scorer. cosine, right: as in `Lookups`."""

    cosine: Floats
    right: NDArray[np.bool_]
    by_cosine: Played
    learnt: Played


Outcome = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Two flags per request: served, checked."""


def rows(orders: Sequence[Order], budget: float, profile: float | None) -> list[Row]:
    fixed = [] if profile is None else [profile, *(1 - times * (1 - profile) for times in LOOSER)]
    names = ["the profile's", "looser", "looser still"]
    return [
        *(_row(name, orders, budget, _at(each), each) for name, each in zip(names, fixed, strict=False)),
        _row("best in hindsight", orders, budget, lambda order: _served_at(order, _best(order, budget))),
        _row("ledger on cosine", orders, budget, lambda order: (order.by_cosine.served, order.by_cosine.checked)),
        _row("ledger", orders, budget, lambda order: (order.learnt.served, order.learnt.checked)),
    ]


def known(order: Order) -> Known:
    seen = sum((period.seen for period in order.learnt.periods), Seen())
    found, count = estimates({"": seen})[""], len(order.right)
    truth = float((order.learnt.served & ~order.right).sum())
    return Known(found.wrong / count, found.low / count, found.high / count, truth / count)


def _at(threshold: float) -> Callable[[Order], Outcome]:
    return lambda order: _served_at(order, threshold)


def _served_at(order: Order, threshold: float) -> Outcome:
    served = np.nan_to_num(order.cosine, nan=-1.0) >= threshold
    return served, np.zeros_like(served)


def _best(found: Order, budget: float) -> float:
    """The lowest threshold, with the most hits, whose wrong hits are within the budget; above 1 if there is none."""
    cosine = np.nan_to_num(found.cosine, nan=-1.0)
    order = np.argsort(-cosine, kind="stable")
    wrong = np.cumsum(~found.right[order]) > budget * len(order)
    ranked = cosine[order]
    above = float(ranked[int(np.argmax(wrong))]) if wrong.any() else -1.0
    return float(ranked[ranked > above].min(initial=2.0))


def _row(
    name: str,
    orders: Sequence[Order],
    budget: float,
    outcome: Callable[[Order], Outcome],
    threshold: float | None = None,
) -> Row:
    found = [(*outcome(order), order.right) for order in orders]
    wrong = [float((served & ~right).mean()) for served, _, right in found]
    quarters = [[_shares(*(part[at] for part in one)) for at in _quarters(len(one[0]))] for one in found]
    return Row(
        name=name,
        threshold=threshold,
        whole=_mean([_shares(*one) for one in found]),
        quarters=[_mean(each) for each in zip(*quarters, strict=True)],
        worst=max(wrong),
        over=sum(each > budget for each in wrong),
    )


def _quarters(count: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(count), QUARTERS)


def _shares(served: NDArray[np.bool_], checked: NDArray[np.bool_], right: NDArray[np.bool_]) -> Shares:
    requests = max(1, len(served))
    return Shares(*(float(each.sum()) / requests for each in (served, served & ~right, checked)))


def _mean(shares: Sequence[Shares]) -> Shares:
    return Shares(*(float(np.mean([getattr(each, name) for each in shares])) for name in ("hits", "wrong", "checks")))

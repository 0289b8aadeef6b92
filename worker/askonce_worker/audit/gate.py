"""The judge as a gate: the score from which a match below the threshold is put to it, and whether that pays.

The gate's hits are checked at random like any others. They take a share of the error budget, which the threshold then
cannot use. Cost and savings are summed over the ledger's window. Once the gate has been closed for a whole window,
nothing speaks against it any more, and it opens again to try.
"""

from collections.abc import Sequence

from askonce_worker.audit.gamma_limit import upper_limit
from askonce_worker.audit.ledger import GATE, Slice
from askonce_worker.audit.policy import Policy
from askonce_worker.audit.threshold import chance_of_a_check

WIDTH = 2.0
"""The greatest distance from 1 of a cosine that is put to the judge, as a multiple of the threshold's distance."""
ODDS = 1.5
"""The same for a learnt score, which is a log odds: the greatest distance below the threshold."""
LEAST_ASKED = 30
"""Matches that the judge must have been asked about before the gate can be found not to pay."""
MOST_OF_BUDGET = 0.5
ALL_KNOWN = 1000.0
"""Requests from which an upper limit of the wrong hits can be within the budget. Before, the number found counts."""


def gate_share(slices: Sequence[Slice], budget: float) -> float | None:
    """The share of the requests that the gate's hits may have answered wrongly. None if the gate does not pay, or errs
    too often."""
    sums = {name: sum(float(part.gate[at]) for part in slices) for at, name in enumerate(GATE)}
    requests = sum(part.requests for part in slices)
    if sums["asked"] >= LEAST_ASKED and sums["saved"] <= sums["cost"]:
        return None
    if not requests:
        return 0.0
    wrong, squares = sums["wrong"] / requests, sums["squares"] / requests**2
    if requests >= ALL_KNOWN:
        limit = float(upper_limit(wrong, squares, 1 / (chance_of_a_check(budget, requests) * requests)))
        wrong = min(limit, wrong + sums["served"] / requests)
    return None if wrong > MOST_OF_BUDGET * budget else wrong


def gate_from(policy: Policy) -> float | None:
    """The lowest score that is put to the judge; None if nothing is served."""
    if policy.threshold is None:
        return None
    if policy.weights is None:
        return 1 - WIDTH * (1 - policy.threshold)
    return policy.threshold - ODDS

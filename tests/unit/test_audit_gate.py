"""When the judge is asked about matches that are no hits, and when it is not any more."""

from dataclasses import replace

import numpy as np
import pytest

from askonce_worker.audit.deciding import Terms, decide, first_policy
from askonce_worker.audit.gate import LEAST_ASKED, gate_from, gate_share
from askonce_worker.audit.ledger import GATE, Slice, add_up, compact, fields_of, slices_of, sums_of
from askonce_worker.audit.policy import Policy, decode_policy, encode_policy
from askonce_worker.audit.scale import COSINE, bins_of
from askonce_worker.auditing.deciding import NO_RECORDS

BUDGET = 0.02
TERMS = Terms(BUDGET, 0.99, gate=True)


def part(version, requests, **gate):
    scores = [0.98] * (requests // 4)
    sums = sums_of(bins_of(scores, COSINE), np.ones(len(scores), np.bool_), np.ones(len(scores)))
    return Slice(version, requests, sums, gate=np.array([gate.get(name, 0.0) for name in GATE]))


def test_it_is_open_at_first_below_the_threshold_and_only_where_it_is_wanted():
    assert first_policy(TERMS).gate == pytest.approx(0.98)
    assert first_policy(replace(TERMS, gate=False)).gate is None
    assert gate_from(Policy(1, None, 0.5)) is None
    assert gate_from(Policy(1, 2.0, 0.5, np.zeros(8, np.float32))) == 0.5


@pytest.mark.parametrize(("saved", "is_open"), [(2.0, True), (0.5, False)])
def test_it_shuts_where_it_costs_more_than_it_saves_and_opens_again_once_that_is_long_ago(saved, is_open):
    before = [part(0, 1000, asked=LEAST_ASKED, cost=1.0, served=9, saved=saved)]
    later = [part(version, 1000) for version in range(1, 8)]
    assert (decide(first_policy(TERMS), before + later, NO_RECORDS, TERMS).gate is not None) == is_open
    much_later = compact([*before, *later, part(8, 1000)])
    assert decide(first_policy(TERMS), much_later, NO_RECORDS, TERMS).gate is not None
    few = [part(0, 1000, asked=LEAST_ASKED - 1, cost=1.0)]
    assert gate_share(few, BUDGET) is not None


def test_its_wrong_hits_take_their_share_of_the_budget_and_too_many_shut_it():
    none = [part(version, 1000, served=20) for version in range(8)]
    share = gate_share(none, BUDGET)
    assert 0 < share < BUDGET / 2
    assert gate_share([part(version, 1000) for version in range(8)], BUDGET) == 0
    wrong = [part(version, 1000, served=20, wrong=15, squares=150) for version in range(8)]
    assert gate_share(wrong, BUDGET) is None
    assert gate_share([part(0, 200, served=5, wrong=10, squares=50)], BUDGET) is None, "a small group is no exception"
    with_gate = decide(first_policy(TERMS), none, NO_RECORDS, TERMS)
    assert with_gate.threshold is not None
    assert with_gate.gate < with_gate.threshold


def test_what_it_did_is_kept_in_the_ledger_and_its_bound_in_the_policy():
    slices = [part(version, 100, asked=3, cost=0.5) for version in range(20)]
    kept = slices_of(add_up(map(fields_of, slices)))
    assert [each.gate[0] for each in kept] == [3] * 20
    assert sum(each.gate[1] for each in compact(kept)) == 10
    assert decode_policy("p", encode_policy(Policy(3, 0.99, 0.5, gate=0.98))).gate == 0.98
    assert decode_policy("p", encode_policy(Policy(3, 0.99, 0.5))).gate is None

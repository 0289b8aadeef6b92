"""The ledger of a group, and the threshold that follows from it."""

from dataclasses import replace

import numpy as np
import pytest

from askonce_worker.audit.gamma_limit import gamma_quantile, upper_limit
from askonce_worker.audit.ledger import (
    SLICES,
    WINDOW,
    Slice,
    add_up,
    compact,
    fields_of,
    slices_of,
    sums_of,
)
from askonce_worker.audit.scale import BINS, COSINE, bins_of, quantile_edges
from askonce_worker.audit.threshold import chance_of_a_check, choose

BUDGET = 0.01


def part(first, requests, right=(), wrong=(), weight=1.0):
    """A slice with labels at these cosines."""
    scores = np.array([*right, *wrong], np.float64)
    outcome = np.array([True] * len(right) + [False] * len(wrong), np.bool_)
    return Slice(first, requests, sums_of(bins_of(scores, COSINE), outcome, np.full(len(scores), weight)))


def counts(slices):
    return [(each.first, each.requests) for each in slices]


# Quantiles of the chi-square distribution, as any table has them.
@pytest.mark.parametrize(
    ("freedom", "z", "expected"), [(2, 1.281552, 4.605), (10, 1.281552, 15.987), (40, -1.959964, 24.433)]
)
def test_the_quantiles_are_the_chi_squares_up_to_what_the_approximation_allows(freedom, z, expected):
    assert gamma_quantile(freedom, 2 * freedom, z) == pytest.approx(expected, rel=0.02)


def test_no_event_at_all_may_still_have_been_two():
    assert upper_limit(0.0, 0.0, 1.0) == pytest.approx(2.303, rel=0.02)
    assert upper_limit(3.0, 3.0, 1.0) == pytest.approx(6.681, rel=0.01)


def test_a_score_belongs_to_the_bin_whose_lower_edge_it_reaches():
    for edges in (COSINE, quantile_edges(np.random.default_rng(0).normal(size=5000), np.ones(5000))):
        assert len(edges) == BINS - 1
        assert list(bins_of(edges, edges)) == list(range(BINS - 1))
        assert list(bins_of(edges - 1e-9, edges)) == list(range(1, BINS))
        assert bins_of([1e9], edges) == [0]


def test_bins_of_a_learnt_score_hold_as_many_requests_each_however_few_of_them_have_labels():
    random = np.random.default_rng(5)
    scores = random.normal(size=4000)
    weight = np.where(scores > 1, 12.5, 1.0)
    found = np.bincount(bins_of(scores, quantile_edges(scores, weight)), weight, BINS)
    assert found == pytest.approx(weight.sum() / BINS, abs=2 * 12.5)


def test_increments_of_many_workers_add_up_to_one_ledger_in_any_order():
    random = np.random.default_rng(3)
    labels = random.uniform(0.5, 1, 300), random.random(300) < 0.8, random.choice([1.0, 2.0, 12.5], 300)
    whole = Slice(7, 300, sums_of(bins_of(labels[0], COSINE), labels[1], labels[2]))
    parts = [
        fields_of(Slice(7, 30, sums_of(bins_of(labels[0][at::10], COSINE), labels[1][at::10], labels[2][at::10])))
        for at in range(10)
    ]
    for order in (parts, parts[::-1]):
        [found] = slices_of(add_up(order))
        assert (found.first, found.requests) == (7, 300)
        np.testing.assert_allclose(found.sums, whole.sums)


def test_fields_that_this_release_does_not_know_are_left_alone():
    known = fields_of(part(3, 250, right=[0.99]))
    odd = {"3:right:48:0": 1.0, "3:right:1:3": 1.0, "3:unsure:1:0": 1.0, "3:unsure": 1.0, "x:requests": 1.0, "": 1.0}
    [found] = slices_of({**known, **odd})
    assert fields_of(found) == known


def test_slices_are_joined_to_eight_of_about_the_same_length():
    slices = []
    for version in range(24):
        slices = compact([*slices, part(version, 250)])
    assert len(slices) == SLICES
    assert sum(each.requests for each in slices) == 24 * 250
    assert max(each.requests for each in slices) <= 1250
    assert slices[0].first == 0


def test_what_lies_too_far_back_is_forgotten():
    slices = []
    for version in range(100):
        slices = compact([*slices, part(version, 250, right=[0.99])])
    requests = sum(each.requests for each in slices)
    assert WINDOW / 2 <= requests <= WINDOW
    assert sum(each.sums[:, :, 0].sum() for each in slices) == requests / 250
    assert slices[0].first > 60


def test_an_increment_for_a_slice_that_was_joined_since_is_not_lost():
    slices = compact([part(version, 250) for version in range(12)])
    fields = add_up([*map(fields_of, slices), fields_of(part(1, 0, wrong=[0.9]))])
    later = compact(slices_of(fields))
    assert len(later) == SLICES
    assert sum(each.sums[:, :, 0].sum() for each in later) == 1


def test_the_chance_of_a_check_falls_with_the_traffic_and_has_bounds():
    assert chance_of_a_check(BUDGET, 0) == chance_of_a_check(BUDGET, 1000) == 0.5
    assert chance_of_a_check(BUDGET, 8000) == pytest.approx(0.1)
    assert chance_of_a_check(0.1, 8000) == pytest.approx(0.01)


def test_served_is_down_to_the_score_where_the_budget_ends():
    right = np.linspace(0.9, 0.9999, 3000)
    found = choose([part(0, 4000, right=right, wrong=[0.95] * 200)], COSINE, BUDGET)
    assert 0.95 < found.threshold < 0.96
    assert found.promised == pytest.approx((right >= found.threshold).sum() / 4000)


def test_wrong_ones_of_half_the_budget_are_allowed_and_of_all_of_it_are_not():
    slices = [part(0, 8000, right=[0.99] * 2000, wrong=[0.97] * 4, weight=10.0)]
    assert choose(slices, COSINE, BUDGET).threshold < 0.97
    slices = [part(0, 8000, right=[0.99] * 2000, wrong=[0.97] * 8, weight=10.0)]
    assert choose(slices, COSINE, BUDGET).threshold > 0.97


def test_too_few_requests_show_nothing():
    assert choose([part(0, 200, right=[0.99] * 200)], COSINE, BUDGET).threshold is None
    assert choose([], COSINE, BUDGET).threshold is None


def test_where_the_nearest_are_wrong_nothing_is_served():
    found = choose([part(0, 4000, right=[0.95] * 2000, wrong=[0.9999] * 200)], COSINE, BUDGET)
    assert (found.threshold, found.promised) == (None, 0.0)


def test_the_brakes_look_at_what_was_wrong_lately():
    calm = [part(version, 1000, right=[0.98] * 300) for version in range(8)]
    assert choose(calm, COSINE, BUDGET).threshold < 0.98
    burst = [*calm[:7], part(7, 1000, wrong=[0.98] * 25)]
    assert choose(burst, COSINE, BUDGET).threshold is None or choose(burst, COSINE, BUDGET).threshold > 0.98
    long_ago = [part(0, 1000, wrong=[0.98] * 25), *calm[1:]]
    assert choose(long_ago, COSINE, BUDGET).threshold < 0.98


def test_of_a_slice_that_reaches_farther_back_than_a_brake_looks_only_its_share_counts():
    calm = [part(0, 5900, right=[0.98] * 1770), part(1, 1200, right=[0.98] * 360)]
    found = choose([*calm, part(2, 900, right=[0.98] * 200, wrong=[0.98] * 23)], COSINE, BUDGET)
    assert found.threshold is None or found.threshold > 0.98  # 23 of the latest 1,000, and of the latest 2,100
    assert choose([*calm, part(2, 900, right=[0.98] * 200, wrong=[0.98] * 19)], COSINE, BUDGET).threshold < 0.98


def test_matches_that_nobody_could_judge_are_taken_to_be_like_the_others():
    slices = [part(0, 8000, right=[0.99] * 2000, wrong=[0.97] * 4, weight=10.0)]
    assert choose(slices, COSINE, BUDGET).threshold < 0.97
    unknown = np.zeros(BINS)
    unknown[bins_of([0.97], COSINE)] = 20_040.0
    [half] = [replace(each, unknown=unknown) for each in slices]
    assert choose([half], COSINE, BUDGET).threshold > 0.97
    [again] = slices_of(fields_of(half))
    for found in (again.unknown, half.share(0.25).joined(half.share(0.75)).unknown):
        np.testing.assert_allclose(found, unknown)
    below = np.zeros(BINS)
    below[-1] = 1e6
    assert choose([replace(slices[0], unknown=below)], COSINE, BUDGET).threshold < 0.97


def test_the_budget_holds_where_nine_of_ten_checks_of_hits_fail_and_misses_are_all_labelled():
    random = np.random.default_rng(4)
    slices, threshold, chance, shares = [], 0.92, 0.5, []
    for version in range(60):
        cosine = random.uniform(0.7, 1, 500)
        wrong = random.random(500) < 0.04 + 0.5 * (1 - cosine)
        hit = cosine >= threshold
        looked = ~hit | (random.random(500) < chance)
        lost = hit & looked & (random.random(500) < 0.9)
        weight, at = np.where(hit, 1 / chance, 1.0), bins_of(cosine, COSINE)
        known = looked & ~lost
        part = Slice(version, 500, sums_of(at[known], ~wrong[known], weight[known]))
        np.add.at(part.unknown, at[lost], weight[lost])
        slices = compact([*slices, part])
        if version > 4:
            shares.append((hit & wrong).mean())
            found = choose(slices, COSINE, BUDGET).threshold
            threshold = 2.0 if found is None else found
            chance = chance_of_a_check(BUDGET, sum(each.requests for each in slices))
    assert np.mean(shares) <= BUDGET


def test_a_budget_of_nothing_allows_nothing():
    assert chance_of_a_check(0.0, 4000) == 0.5
    assert choose([part(0, 4000, right=[0.99] * 2000)], COSINE, 0.0).threshold is None

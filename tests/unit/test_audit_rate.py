"""The live rate of wrong hits: against simulations whose truth is known."""

import numpy as np
import pytest

from askonce_worker.audit.rate import Seen, estimate, estimates

RUNS = 1000


def simulated(random, requests, wrong_share, chances, *, hit_share=0.3, served_first=False):
    """What a worker sees of a group, and how many wrong hits it serves. Each of the chances has a part of the hits."""
    seen, served_wrong = Seen(answered=requests), 0
    for chance in np.atleast_1d(chances):
        hits = random.binomial(requests // np.size(chances), hit_share)
        wrong = random.binomial(hits, wrong_share)
        checked, found = random.binomial(hits - wrong, chance), random.binomial(wrong, chance)
        checked, stands_for = checked + found, (1 - chance) / chance
        seen += Seen(
            unchecked=hits - checked,
            checks=checked,
            stood_for=checked * stands_for,
            squares=checked * stands_for**2,
            wrong=found * stands_for,
            wrong_squares=found * stands_for**2,
            served_wrong=found if served_first else 0,
        )
        served_wrong += wrong if served_first else wrong - found
    return seen, served_wrong


@pytest.mark.parametrize("served_first", [False, True])
@pytest.mark.parametrize(
    ("requests", "wrong_share", "chance"),
    [
        (10_000, 0.02, 0.1),
        (10_000, 0.05, 0.5),
        (100_000, 0.005, 0.1),
        (100_000, 0.02, 0.02),
        (40_000, 0.03, [0.5, 0.2, 0.1]),
    ],
)
def test_the_interval_holds_the_truth_in_95_of_100_runs_and_the_estimate_is_unbiased(
    requests, wrong_share, chance, served_first
):
    random = np.random.default_rng(11)
    runs = [simulated(random, requests, wrong_share, chance, served_first=served_first) for _ in range(RUNS)]
    found = [(estimate(seen), truth) for seen, truth in runs]
    covered = np.mean([each.low <= truth <= each.high for each, truth in found])
    assert 0.93 <= covered <= 0.97
    assert np.mean([each.wrong for each, _ in found]) == pytest.approx(np.mean([truth for _, truth in found]), rel=0.05)


@pytest.mark.parametrize("likeness", [0.7, 2.0, 10.0])
def test_small_groups_borrow_from_all_and_their_intervals_still_hold(likeness):
    random = np.random.default_rng(5)
    covered, widths, alone = [], [], []
    for _ in range(RUNS // 10):
        shares = random.gamma(likeness, 0.02 / likeness, 20)
        groups = [simulated(random, int(random.integers(500, 20_000)), min(1, share), 0.05) for share in shares]
        found = estimates({at: seen for at, (seen, _) in enumerate(groups)})
        for at, (seen, truth) in enumerate(groups):
            covered.append(found[at].low <= truth <= found[at].high)
            widths.append(found[at].high - found[at].low)
            alone.append(estimate(seen).high - estimate(seen).low)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(widths) < 0.9 * np.mean(alone)


def test_a_group_that_is_at_odds_with_the_others_speaks_for_itself():
    random = np.random.default_rng(2)
    groups = {at: simulated(random, 20_000, 0.001, 0.1)[0] for at in range(20)}
    groups["odd"], truth = simulated(random, 20_000, 0.2, 0.1)
    found = estimates(groups)["odd"]
    assert found == estimate(groups["odd"])
    assert found.low <= truth <= found.high


def test_without_a_check_of_its_own_a_group_has_what_the_others_say_and_else_everything_is_possible():
    unknown = Seen(answered=100, unchecked=40)
    other = simulated(np.random.default_rng(1), 20_000, 0.02, 0.1)[0]
    assert 0 < estimates({"a": unknown, "b": other})["a"].high < 10
    alone = estimates({"a": unknown})["a"]
    assert (alone.low, alone.high) == (0, 40)


def test_without_hits_nothing_is_wrong():
    found = estimates({"a": Seen(answered=10)})["a"]
    assert (found.wrong, found.low, found.high) == (0, 0, 0)


def test_what_workers_have_seen_adds_up():
    random = np.random.default_rng(8)
    parts = [simulated(random, 1000, 0.05, 0.2)[0] for _ in range(4)]
    total = sum(parts, Seen())
    assert total.answered == 4000
    assert total.unchecked == sum(part.unchecked for part in parts)

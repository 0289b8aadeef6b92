"""The judge is measured by the pairs that people have judged, too, and its mistakes count."""

from dataclasses import replace

import numpy as np
import pytest

from askonce_worker.audit.deciding import Terms, decide, first_policy
from askonce_worker.audit.judge_errors import NOT_MEASURED, JudgeErrors, judge_errors
from askonce_worker.audit.ledger import Slice, add_up, compact, fields_of, slices_of, sums_of
from askonce_worker.audit.rate import Seen, estimate
from askonce_worker.audit.records import Records
from askonce_worker.audit.scale import COSINE, bins_of
from askonce_worker.audit.threshold import choose
from unit.test_audit_policy import matches

RUNS = 1000


def seen_by(random, hits, wrong_share, chance, missed, invented):
    """What a judge who errs says of the checks, and the truth of the hits that were served."""
    wrong = random.binomial(hits, wrong_share)
    checked_wrong, checked_right = random.binomial(wrong, chance), random.binomial(hits - wrong, chance)
    said_same = random.binomial(checked_wrong, missed)
    said_different = random.binomial(checked_right, invented)
    found, checks = checked_wrong - said_same + said_different, checked_wrong + checked_right
    stands_for = (1 - chance) / chance
    seen = Seen(
        answered=4 * hits,
        unchecked=hits - checks,
        checks=checks,
        stood_for=checks * stands_for,
        squares=checks * stands_for**2,
        wrong=found * stands_for,
        wrong_squares=found * stands_for**2,
        same=(checks - found) * stands_for,
        different=found * stands_for,
    )
    called_same, called_different = checked_right - said_different + said_same, max(found, 1)
    return seen, wrong - checked_wrong, said_same / called_same, said_different / called_different


def people(random, pairs, share_missed, share_invented):
    missed, invented = random.binomial(pairs, share_missed), random.binomial(pairs, share_invented)
    return judge_errors({"same:different": missed, "same:same": pairs - missed,
                         "different:same": invented, "different:different": pairs - invented})  # fmt: skip


@pytest.mark.parametrize(("missed", "invented"), [(0.3, 0.0), (0.0, 0.02), (0.5, 0.005)])
def test_the_interval_holds_the_truth_although_the_judge_errs(missed, invented):
    random = np.random.default_rng(3)
    held, naive, bias = [], [], []
    for _ in range(RUNS):
        seen, truth, share_missed, share_invented = seen_by(random, 20_000, 0.04, 0.1, missed, invented)
        found = estimate(seen, judge=people(random, 1000, share_missed, share_invented))
        held.append(found.low <= truth <= found.high)
        bias.append(found.wrong / truth)
        alone = estimate(seen)
        naive.append(alone.low <= truth <= alone.high)
    assert 0.93 <= np.mean(held) <= 0.985
    assert np.mean(bias) == pytest.approx(1, abs=0.05)
    assert np.mean(naive) < np.mean(held)


def test_a_judge_whom_nobody_has_looked_at_widens_the_interval_a_little():
    seen = seen_by(np.random.default_rng(1), 20_000, 0.03, 0.1, 0.0, 0.0)[0]
    plain = estimate(replace(seen, same=0.0, different=0.0))
    found = estimate(seen)
    assert found.wrong == plain.wrong
    assert plain.high < found.high < 1.2 * plain.high


def test_few_pairs_that_people_agree_with_change_nothing_and_many_mistakes_among_them_do():
    assert people(np.random.default_rng(1), 20, 0.0, 0.0).missed.unit == NOT_MEASURED.missed.unit
    assert judge_errors({"same:different": 6, "same:same": 14}).missed.share == pytest.approx(0.3)
    assert judge_errors({"same:different": 1, "same:same": 19}).missed.share < 0.01
    assert judge_errors({"same:different": 8, "same:same": 792}).missed.share == 0.01


BUDGET = 0.01
BAD = judge_errors({"same:different": 30, "same:same": 270})


def part(version, requests, scores, *, judged):
    bins = bins_of(scores, COSINE)
    weights = np.bincount(bins, minlength=48).astype(float) if judged else np.zeros(48)
    sums = sums_of(bins, np.ones(len(scores), np.bool_), np.ones(len(scores)))
    return Slice(version, requests, sums, judged=weights)


def test_what_a_judge_who_errs_calls_the_same_is_not_served_within_a_budget_that_it_would_exceed():
    for judged in (True, False):
        slices = [part(version, 1000, [0.98] * 400, judged=judged) for version in range(8)]
        assert choose(slices, COSINE, BUDGET, judge=NOT_MEASURED).promised == pytest.approx(0.4)
        assert choose(slices, COSINE, BUDGET, judge=BAD).promised == pytest.approx(0.0 if judged else 0.4)
        assert choose(slices, COSINE, 0.1, judge=BAD).promised == pytest.approx(0.4)


def test_a_policy_is_decided_with_the_judges_mistakes_and_its_learnt_score_too():
    random = np.random.default_rng(4)
    count = 2000
    cosine = random.uniform(0.9, 0.99, count)
    right = random.random(count) < np.where(cosine > 0.94, 0.999, 0.3)
    version = np.arange(count) * 8 // count
    terms = Terms(0.02, 0.995)
    hits = {}
    for judged in (True, False):
        records = Records(matches(cosine), version, right, np.ones(count), right & judged)
        slices = []
        for at in range(8):
            of = version == at
            bins = bins_of(cosine[of], COSINE)
            weights = np.bincount(bins[right[of]], minlength=48).astype(float) * judged
            sums = sums_of(bins, right[of], np.ones(int(of.sum())))
            slices.append(Slice(at, 500, sums, judged=weights))
        for errors in (BAD, JudgeErrors()):
            policy = decide(first_policy(terms), slices, records, terms, errors)
            hits[judged, errors is BAD] = (policy.scores(records.matches) >= policy.threshold).sum()
    assert hits[False, True] == hits[False, False]
    assert hits[True, True] < 0.5 * hits[True, False]


def test_the_ledger_keeps_what_the_judge_said():
    slices = [part(version, 100, [0.98, 0.95], judged=True) for version in range(20)]
    kept = slices_of(add_up(map(fields_of, slices)))
    assert [each.judged.sum() for each in kept] == [2] * 20
    assert sum(each.judged.sum() for each in compact(kept)) == 40

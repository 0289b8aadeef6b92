"""A scorer learnt from a group's own labels, and when it is published."""

import numpy as np
import pytest

from askonce_worker.audit import logistic
from askonce_worker.audit.deciding import Terms, _by_score, decide, first_policy
from askonce_worker.audit.learning import learn
from askonce_worker.audit.ledger import Slice, compact, sums_of
from askonce_worker.audit.matches import Matches
from askonce_worker.audit.records import Records
from askonce_worker.audit.scale import COSINE, bins_of, quantile_edges

DIMENSIONS = 24
TERMS = Terms(budget=0.01, profile=0.99)
EDGE = float(COSINE[30])


def matches(random, count, blind):
    """Some matches, and which are right: as the cosine says, or (blind) as one component of the vectors says."""
    cosine = 1 - random.uniform(0.001, 0.2, count)
    vectors = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    vectors[:, 0] = 0.3
    entries = np.array(vectors)
    told = random.random(count) < 0.5
    entries[~told, 0] *= -1
    right = (told if blind else cosine >= EDGE) ^ (random.random(count) < 0.002)
    return Matches(cosine, np.zeros(count), cosine - 0.01, vectors, entries), right


def records(count, *, blind, seed=0):
    found, right = matches(np.random.default_rng(seed), count, blind)
    return Records(found, np.arange(count) // 250, right, np.ones(count), np.zeros(count, np.bool_))


def slices(of):
    """As if each record were a request."""
    bins = bins_of(of.matches.cosine, COSINE)
    found = []
    for version in np.unique(of.version):
        at = of.version == version
        found = compact([*found, Slice(int(version), int(at.sum()), sums_of(bins[at], of.right[at], of.weight[at]))])
    return found


def test_what_the_vectors_tell_is_learnt_and_the_scores_are_of_records_not_seen():
    known = records(1500, blind=True)
    learnt = learn(known)
    assert np.mean((learnt.scores > 0) == known.right) > 0.95
    noise = np.random.default_rng(1).random(1500) < 0.5
    blind = learn(Records(known.matches, known.version, noise, known.weight, known.judged))
    assert np.mean((blind.scores > 0) == noise) == pytest.approx(0.5, abs=0.05)


def test_the_published_weights_score_new_matches_as_the_records_were_scored():
    learnt = learn(records(1500, blind=True))
    found, right = matches(np.random.default_rng(7), 1000, blind=True)
    scores = found.features() @ learnt.weights
    assert np.mean((scores > 0) == right) > 0.95
    assert np.std(scores) == pytest.approx(np.std(learnt.scores), rel=0.05)


def test_a_fit_has_not_seen_the_rows_that_it_leaves_out():
    random = np.random.default_rng(4)
    rows = random.normal(size=(400, 6)).astype(np.float32)
    right = random.random(400) < 1 / (1 + np.exp(-2 * rows[:, 0]))
    parts = (np.arange(400) % 4)[:, None] != np.arange(5)
    ridge = np.full(6, 10.0, np.float32)
    together = logistic.fit(rows, right, parts, ridge)
    for at in range(5):
        seen = parts[:, at]
        alone = logistic.fit(rows[seen], right[seen], np.ones((seen.sum(), 1), np.bool_), ridge * seen.mean())
        assert together[:, at] == pytest.approx(alone[:, 0], abs=1e-3)


@pytest.mark.parametrize(("count", "kept"), [(299, None), (1500, True), (1500, False)])
def test_too_few_labels_or_one_kind_teach_nothing(count, kept):
    known = records(count, blind=True)
    right = known.right if kept is None else np.full(count, kept)
    assert learn(Records(known.matches, known.version, right, known.weight, known.judged)) is None


def test_a_learnt_scorer_is_published_where_it_promises_more():
    known = records(4000, blind=True)
    policy = decide(first_policy(TERMS), slices(known), known, TERMS)
    assert policy.weights is not None
    assert policy.version == 1
    found, right = matches(np.random.default_rng(9), 5000, blind=True)
    served = policy.scores(found) >= policy.threshold
    assert served.mean() > 0.3
    assert (served & ~right).mean() <= TERMS.budget


def test_where_the_cosine_tells_as_much_it_stays():
    known = records(4000, blind=False)
    policy = decide(first_policy(TERMS), slices(known), known, TERMS)
    assert policy.weights is None
    assert policy.threshold == EDGE


def test_a_group_with_few_requests_or_few_labels_stays_at_the_profile():
    few = records(750, blind=False)
    policy = decide(first_policy(TERMS), slices(few), few, TERMS)
    assert (policy.threshold, policy.chance, policy.weights) == (TERMS.profile, 0.5, None)
    unlabelled = [Slice(0, 5000, np.zeros_like(slices(few)[0].sums))]
    policy = decide(first_policy(TERMS), unlabelled, few.part(slice(0, 0)), TERMS)
    assert (policy.threshold, policy.chance) == (TERMS.profile, 0.5)


def test_records_that_are_fewer_than_the_labels_stand_for_all_of_them():
    known = records(4000, blind=True)
    whole = slices(known)
    rest = known.part(np.arange(4000) % 10 < 7)
    learnt = learn(rest)
    found, kept = _by_score(learnt, whole, rest, quantile_edges(learnt.scores, rest.weight))
    assert kept == pytest.approx(0.7, abs=0.01)
    for part, as_labelled in zip(found, whole, strict=True):
        assert part.sums[:, :, 1].sum() == pytest.approx(as_labelled.sums[:, :, 1].sum())
    newest = known.part(slice(2500, None))
    learnt = learn(newest)
    found, _ = _by_score(learnt, whole, newest, quantile_edges(learnt.scores, newest.weight))
    assert sum(part.requests for part in found) <= 2000
    few = decide(first_policy(TERMS), whole, known.part(np.arange(4000) % 10 < 3), TERMS)
    assert few.weights is None

"""What a group is served by, and the record that all workers read."""

import numpy as np
import orjson
import pytest

from askonce_worker.audit.matches import Matches
from askonce_worker.audit.policy import Policy, Unreadable, Verdict, decode_policy, encode_policy


def matches(cosine, dimensions=4):
    count = len(cosine)
    vectors = np.full((count, dimensions), dimensions**-0.5, np.float32)
    return Matches(np.array(cosine), np.zeros(count), np.array(cosine), vectors, vectors)


def test_a_hit_is_checked_with_the_policys_chance_and_weighs_its_inverse():
    policy = Policy(version=3, threshold=0.95, chance=0.25)
    scores = policy.scores(matches([0.96, 0.96, 0.94, np.nan]))
    verdicts = policy.verdicts(scores, np.array([0.1, 0.3, 0.1, 0.1]))
    assert verdicts == [Verdict.CHECK, Verdict.SERVE, Verdict.ASK, Verdict.ASK]
    assert [policy.weight(each) for each in (Verdict.CHECK, Verdict.ASK)] == [4.0, 1.0]


def test_without_a_threshold_nothing_is_served():
    policy = Policy(version=0, threshold=None, chance=0.5)
    assert policy.verdicts(policy.scores(matches([1.0])), np.array([0.9])) == [Verdict.ASK]


def test_the_record_says_all_of_a_policy():
    weights = np.random.default_rng(0).normal(size=388).astype(np.float32)
    for policy in (Policy(7, 0.97, 0.1), Policy(8, None, 0.5), Policy(9, 2.5, 0.01, weights)):
        found = decode_policy("p", encode_policy(policy))
        assert (found.version, found.threshold, found.chance) == (policy.version, policy.threshold, policy.chance)
        if policy.weights is None:
            assert found.weights is None
        else:
            np.testing.assert_array_equal(found.weights, policy.weights)
    assert len(encode_policy(Policy(9, 2.5, 0.01, weights))) < 3000


GOOD = {"format": 1, "version": 1, "threshold": 0.9, "chance": 0.5, "weights": None}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"version": -1},
        {"version": "1"},
        {"threshold": "high"},
        {"threshold": True},
        {"chance": 0},
        {"chance": 1.5},
        {"weights": "AAAA"},
        {"weights": "no base64!"},
        {"weights": [1, 2]},
    ],
)
def test_a_record_that_is_not_as_it_should_be_is_refused_by_its_name(change):
    decode_policy("good", orjson.dumps(GOOD))
    with pytest.raises(Unreadable, match="policy of a group"):
        decode_policy("policy of a group", orjson.dumps({**GOOD, **change}))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", orjson.dumps({"format": 1})])
def test_what_is_no_record_is_refused_by_its_name(data):
    with pytest.raises(Unreadable, match="other"):
        decode_policy("other", data)

"""A labelled stream, played through the ledger."""

import json

import numpy as np
import pytest

from askonce_worker.audit.deciding import Terms
from askonce_worker.audit.matches import Matches
from askonce_worker.evaluate.rows import BadRows
from askonce_worker.evaluate.stream.file import Stream, read_stream
from askonce_worker.evaluate.stream.lookups import Lookups, look_up
from askonce_worker.evaluate.stream.playing import play
from askonce_worker.evaluate.stream.report import Order, known, rows
from askonce_worker.evaluate.stream.rules import Rules, matcher_of

TERMS = Terms(budget=0.01, profile=0.99)


def lookups(seed, count=6000, *, drifts=False):
    """Questions whose matches are the likelier right the nearer they are. drifts: from the middle on hardly any is."""
    random = np.random.default_rng(seed)
    distance = random.gamma(2.0, 0.03, count)
    chance = 1 / (1 + np.exp((distance - 0.04) / 0.006))
    if drifts:
        chance[count // 2 :] *= 0.9
    vectors = random.normal(size=(count, 8)).astype(np.float32)
    cosine = np.where(random.random(count) < 0.1, np.nan, 1 - distance)
    right = (random.random(count) < chance) & ~np.isnan(cosine)
    return Lookups(
        Matches(cosine, np.zeros(count), np.nan_to_num(cosine), vectors, vectors), right, np.zeros(count, np.bool_)
    )


def played(seed, **how):
    found = lookups(seed, **how)
    return found, play(found, TERMS, np.random.default_rng(seed))


def test_the_budget_is_kept_and_more_is_served_than_the_profile_allows():
    wrong, hits, fixed = [], [], []
    for seed in range(6):
        found, result = played(seed)
        wrong.append((result.served & ~found.right).mean())
        hits.append(result.served.mean())
        fixed.append((np.nan_to_num(found.matches.cosine) >= TERMS.profile).mean())
    assert np.mean(wrong) < 0.01
    assert max(wrong) < 0.012
    assert np.mean(hits) > 2 * np.mean(fixed)


def test_a_change_of_the_traffic_is_noticed_by_the_brakes():
    found, result = played(1, count=8000, drifts=True)
    before = next(period.policy for period in result.periods if period.policy.version * 250 == 4000)
    unnoticed = (before.scores(found.matches) >= before.threshold) & ~found.right
    assert unnoticed[-1500:].mean() > 0.02
    assert (result.served & ~found.right)[-1500:].mean() < 0.5 * unnoticed[-1500:].mean()
    assert result.served[2500:4000].mean() > 2 * result.served[-1500:].mean()


def test_the_checks_alone_know_the_rate_of_wrong_hits():
    within = 0
    for seed in range(6):
        found, result = played(seed)
        rate = known(Order(found.matches.cosine, found.right, result, result))
        within += rate.low <= rate.truth <= rate.high
        assert rate.high < 0.02
    assert within >= 5


def test_the_same_seed_plays_the_same():
    first, again = (play(lookups(3), TERMS, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.served, again.served)


def test_the_report_compares_with_thresholds_that_stay_and_with_the_best_in_hindsight():
    found, result = played(2)
    table = {row.name: row for row in rows([Order(found.matches.cosine, found.right, result, result)], 0.01, 0.99)}
    assert table["the profile's"].threshold == 0.99
    assert table["looser"].threshold == pytest.approx(0.97)
    assert 0.009 < table["best in hindsight"].whole.wrong <= 0.01
    assert table["best in hindsight"].over == 0
    ledger = table["ledger"]
    assert ledger.whole.hits == pytest.approx(result.served.mean())
    assert ledger.whole.checks == pytest.approx(result.checked.mean())
    assert ledger.whole.checks > 0
    assert np.mean([each.hits for each in ledger.quarters]) == pytest.approx(ledger.whole.hits)
    assert table["looser still"].whole.wrong > 0.01
    assert table["looser still"].over == 1


class Refusing(Rules):
    """Refuses these pairs, and no other."""

    def __init__(self, refused):
        super().__init__(matcher_of("off", 1000))
        self._refused = refused

    def passes(self, text, other, similarity):
        return (text, other) not in self._refused


def unit_vectors(random, count, dimensions=6):
    vectors = random.normal(size=(count, dimensions)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


def looked_up(texts, labels=None, vectors=None, rules=None):
    vectors = unit_vectors(np.random.default_rng(1), len(texts)) if vectors is None else vectors
    stream = Stream("s", list(texts), np.zeros(len(texts), np.intp) if labels is None else labels)
    return look_up(stream, vectors, rules or Rules(matcher_of("", 40)), lambda _: None)


def test_each_question_finds_the_nearest_before_it_that_the_guard_lets_pass():
    random = np.random.default_rng(4)
    count = 700
    vectors, labels = unit_vectors(random, count), random.integers(0, 5, count)
    refused = {(str(a), str(b)) for a, b in random.integers(0, count, (100_000, 2))}
    found = looked_up(map(str, range(count)), labels, vectors, Refusing(refused))
    for at in range(count):
        similar = vectors[:at] @ vectors[at]
        nearest = np.argsort(-similar)[:5]
        passing = [place for place in nearest if (str(at), str(place)) not in refused]
        if not passing:
            assert np.isnan(found.matches.cosine[at])
            assert not found.right[at]
            continue
        assert found.matches.cosine[at] == pytest.approx(similar[passing[0]], abs=1e-5)
        np.testing.assert_array_equal(found.matches.entries[at], vectors[passing[0]])
        assert found.matches.density[at] == pytest.approx(similar[nearest].mean(), abs=1e-5)
        assert found.right[at] == (labels[at] == labels[passing[0]])


def test_the_rules_are_the_workers_own():
    rules = Rules(matcher_of("", 1000))
    assert rules.passes("How do I reset my password?", "how do I reset my password", 0.9)
    assert not rules.passes("如何安装 pandas", "如何卸载 pandas", 0.99)
    assert not rules.passes("one thing", "another", 1.0)
    assert not rules.reuse("What is the weather today?").from_cache
    assert Rules(matcher_of("off", 1000)).reuse("What is the weather today?").from_cache
    assert not Rules(matcher_of("", 5)).reuse("How long is this?").semantic


def test_what_is_about_now_or_too_long_neither_matches_nor_is_matched():
    now, long = "Is the office open today?", "Where do I find the forms that I need for leave?"
    for text in (now, long):
        assert np.isnan(looked_up(["Is the office open?", text, "Is the office open"]).matches.cosine[1])
        assert np.isnan(looked_up([text, "Is the office open?"]).matches.cosine[1])


def test_the_same_words_are_an_exact_hit_and_one_entry():
    near = np.tile(unit_vectors(np.random.default_rng(2), 1), (5, 1))
    found = looked_up(["Is it open?", " Is it open? ", "Is it open?", "is it open", "Open today?"], vectors=near)
    assert list(found.exact) == [False, True, True, False, False]
    assert list(found.matches.cosine[1:4]) == pytest.approx([1, 1, 1])
    assert looked_up(["Is it open today?"] * 2, vectors=near[:2]).exact.sum() == 0


def test_exact_hits_are_served_by_every_policy_and_say_nothing_of_similar_ones():
    found = lookups(0, count=2000)
    exact = Lookups(found.matches, found.right, np.arange(2000) % 10 == 0)
    result = play(exact, Terms(budget=0.01, profile=None), np.random.default_rng(0))
    assert result.served[exact.exact].all()
    assert not result.checked[exact.exact].any()
    assert sum(period.seen.unchecked for period in result.periods) == (result.served & ~exact.exact).sum()


def test_streams_are_read_from_json_lines_and_csv(tmp_path):
    asked = [("x, y", "a"), ("问", "b"), ("z", "a")]
    (tmp_path / "s.jsonl").write_text(
        "\n".join(json.dumps({"text": t, "label": n}) for t, n in asked) + "\n\n", "utf-8"
    )
    (tmp_path / "s.csv").write_text('text,category\n"x, y",a\n问,b\nz,a\n', "utf-8-sig")
    for name in ("s.jsonl", "s.csv"):
        found = read_stream(tmp_path / name)
        assert found.texts == [text for text, _ in asked]
        assert list(found.labels) == [0, 1, 0]


@pytest.mark.parametrize(
    "line", ["{", "[]", "3", '{"text": "x"}', '{"text": "", "label": "a"}', '{"text": "x", "label": null}',
             '{"text": 1, "label": "a"}', '{"text": "x", "label": " "}', '{"text": "x", "label": [1]}']
)  # fmt: skip
def test_a_malformed_row_is_named_by_its_line_and_not_repeated(tmp_path, line):
    (tmp_path / "s.jsonl").write_text('{"text": "secret", "label": 1}\n' + line)
    with pytest.raises(BadRows, match="line 2") as failure:
        read_stream(tmp_path / "s.jsonl")
    assert "secret" not in str(failure.value)


def test_a_file_without_questions_is_refused(tmp_path):
    (tmp_path / "s.jsonl").write_text("\n")
    with pytest.raises(BadRows, match="no questions"):
        read_stream(tmp_path / "s.jsonl")


def test_a_file_that_is_sorted_by_label_is_no_traffic():
    labels = np.repeat(np.arange(20), 30)
    texts = ["t"] * len(labels)
    assert Stream("s", texts, labels).is_sorted_by_label()
    assert not Stream("s", texts, np.random.default_rng(0).permutation(labels)).is_sorted_by_label()
    assert not Stream("s", texts, np.arange(len(labels))).is_sorted_by_label()

"""The figures of an evaluation, against tables small enough to be worked out by hand."""

import json

import numpy as np
import pytest

from askonce_worker.evaluate.figures import (
    Scores,
    allowed,
    at_error,
    choose,
    figures,
    least_threshold,
    pairs_needed,
    wilson,
)
from askonce_worker.evaluate.pairs import Pair, held_out, read_pairs, together
from askonce_worker.evaluate.report import Measured, report
from askonce_worker.evaluate.rows import BadRows
from askonce_worker.evaluate.rules import of_rules
from askonce_worker.evaluate.tables import reasons
from askonce_worker.matching.profiles import profile_of


def scores(*rows: tuple[float, bool, bool]) -> Scores:
    """Rows of cosine, same, passes."""
    similarity, same, passes = zip(*rows, strict=True)
    return Scores(np.array(similarity), np.array(same), np.array(passes))


TABLE = scores(
    (0.99, True, True),
    (0.98, False, False),
    (0.97, True, True),
    (0.96, False, True),
    (0.95, True, False),
    (0.94, True, True),
    (0.90, False, True),
    (0.50, False, True),
)


@pytest.mark.parametrize(
    ("threshold", "bare", "guarded"),
    [
        (0.99, (1 / 4, 0, 1), (1 / 4, 0, 1)),
        (0.97, (2 / 4, 1 / 8, 2 / 3), (2 / 4, 0, 1)),
        (0.95, (3 / 4, 2 / 8, 3 / 5), (2 / 4, 1 / 8, 2 / 3)),
        (0.5, (1, 4 / 8, 1 / 2), (3 / 4, 3 / 8, 1 / 2)),
        (1.0, (0, 0, None), (0, 0, None)),
    ],
)
def test_hits_wrong_hits_and_precision(threshold, bare, guarded):
    for of, expected in ((TABLE.bare(), bare), (TABLE, guarded)):
        found = figures(of, threshold)
        assert (found.hit_rate, found.wrong, found.precision) == expected


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(count, of, low, high):
    assert wilson(count, of) == pytest.approx((low, high), abs=5e-5)


def test_the_least_threshold_lies_just_above_the_first_wrong_hit_too_many():
    assert least_threshold(TABLE.bare(), 0) == 0.9801
    assert least_threshold(TABLE, 0) == 0.9601
    assert least_threshold(TABLE, 1) == 0.9001
    assert least_threshold(TABLE, 3) == 0.94
    assert least_threshold(scores((1.0, False, True), (0.9, True, True)), 0) is None


def test_where_the_curve_crosses_the_error():
    found = at_error(TABLE, 1 / 8)
    assert (found.threshold, found.hit_rate, found.wrong) == (0.9001, 3 / 4, 1 / 8)


def test_each_rule_is_measured_by_itself_among_the_pairs_that_are_near():
    refused = {
        "far": np.array([False] * 7 + [True]),
        "good": np.array([False, True, False, True, True, False, False, False]),
        "bad": np.array([True, False, False, False, False, False, False, False]),
    }
    good, bad = of_rules(TABLE, refused, 0.95)
    assert (good.rule, good.prevented, good.lost) == ("good", 2, 1)
    assert (good.low, good.high) == wilson(2, 3)
    assert (bad.rule, bad.prevented, bad.lost, bad.precision) == ("bad", 0, 1, 0.0)
    assert good.share == bad.share == 2 / 5


def test_so_many_wrong_hits_are_allowed_as_show_the_error():
    for pairs in (400, 4000, 40_000):
        count = allowed(pairs, 0.01)
        assert wilson(count, pairs)[1] <= 0.01 < wilson(count + 1, pairs)[1]
    assert allowed(100, 0.01) == 0


def test_the_chosen_threshold_keeps_the_error_on_each_file():
    other = scores((0.985, False, True), (0.99, True, True))
    assert choose([TABLE, other], 0.01) == 0.9851
    assert choose([TABLE, scores((1.0, False, True))], 0.01) is None


@pytest.mark.parametrize(("wrong", "limit"), [(0.0, 0.01), (0.004, 0.01), (0.02, 0.05)])
def test_as_many_pairs_as_are_needed_show_the_error_and_fewer_do_not(wrong, limit):
    needed = pairs_needed(wrong, limit)
    assert wilson(int(wrong * needed), needed)[1] <= limit
    assert wilson(int(wrong * needed * 0.5), int(needed * 0.5))[1] > limit


def test_a_rate_beyond_the_limit_needs_as_many_pairs_as_none_wrong_at_least():
    assert pairs_needed(0.0928, 0.01) == pairs_needed(0.0, 0.01) == 381


def few(seed):
    """200 pairs of which a tenth are near and wrong, whatever their cosine: no threshold separates them well."""
    random = np.random.default_rng(seed)
    same = np.arange(200) % 2 == 0
    near = same | (np.arange(200) % 10 == 1)
    similarity = np.where(near, random.uniform(0.9, 1.0, 200), random.uniform(0.5, 0.8, 200))
    return Scores(similarity, same, np.ones(200, np.bool_))


@pytest.mark.parametrize("seed", range(20))
def test_too_few_pairs_recommend_nothing_and_say_how_many_it_takes(seed):
    measured = Measured("few", few(seed), np.random.default_rng(seed).random(200) < 0.5)
    found = report([measured], model="m", max_error=0.01, seed=0)
    assert found.threshold is None
    assert found.files[0].pairs_needed >= 762
    assert any("pairs are needed" in line for line in reasons(found))


def many(seed, pairs=20_000):
    """Enough pairs, whose wrong ones thin out towards a cosine of 1."""
    random = np.random.default_rng(seed)
    same = random.random(pairs) < 0.5
    similarity = np.where(same, random.beta(20, 2, pairs), random.beta(8, 4, pairs))
    return Measured("many", Scores(similarity, same, np.ones(pairs, np.bool_)), random.random(pairs) < 0.5)


def test_with_enough_pairs_nearly_every_choice_is_confirmed_and_none_is_recommended_that_was_not():
    found = [report([many(seed)], model="m", max_error=0.01, seed=0) for seed in range(40)]
    confirmed = [each for each in found if each.threshold is not None]
    assert len(confirmed) >= 34
    assert all(each.files[0].held_out.guarded.wrong_high <= 0.01 for each in confirmed)
    assert all(each.files[0].held_out.guarded.hit_rate > 0.05 for each in confirmed)


def halves(pairs, seed=0):
    return list(held_out({"file": pairs}, seed)["file"])


def test_a_pair_stays_in_its_half_whatever_is_beside_it_and_however_it_is_turned():
    pairs = [Pair(f"a{i}", f"b{i}", same=True) for i in range(400)]
    assert 150 < sum(halves(pairs)) < 250
    turned = [Pair(pair.b, pair.a, pair.same) for pair in reversed(pairs)]
    assert halves(turned) == list(reversed(halves(pairs)))
    assert halves(pairs[:50]) == halves(pairs)[:50]
    assert halves(pairs, seed=1) != halves(pairs)


def test_pairs_that_share_a_text_stay_together_also_across_files():
    chain = [Pair(f"t{i}", f"t{i + 1}", same=True) for i in range(30)]
    others = [Pair(f"a{i}", f"b{i}", same=False) for i in range(30)]
    assert len(set(halves([*others, *chain])[30:])) == 1
    split = held_out({"x": chain[::2], "y": [*chain[1::2], *others]}, 0)
    assert len({*split["x"], *split["y"][:15]}) == 1
    assert len(set(split["y"][15:])) == 2


def test_pairs_are_read_from_json_lines_and_csv(tmp_path):
    expected = [Pair("x, y", "z", same=True), Pair("问", "答", same=False)]
    lines = [json.dumps({"a": pair.a, "b": pair.b, "same": pair.same, "more": 1}) for pair in expected]
    (tmp_path / "p.jsonl").write_text("\n".join(lines) + "\n\n", "utf-8")
    (tmp_path / "p.csv").write_text('b,a,same\nz,"x, y",1\n答,问,no\n', "utf-8-sig")
    assert read_pairs(tmp_path / "p.jsonl") == read_pairs(tmp_path / "p.csv") == expected


@pytest.mark.parametrize("line", ["{", "[]", '{"a": "x", "b": "y"}', '{"a": "", "b": "y", "same": true}'])
def test_a_malformed_row_is_named_by_its_line_and_not_repeated(tmp_path, line):
    (tmp_path / "p.jsonl").write_text('{"a": "x", "b": "secret", "same": true}\n' + line)
    with pytest.raises(BadRows, match="line 2") as failure:
        read_pairs(tmp_path / "p.jsonl")
    assert "secret" not in str(failure.value)


def test_pairs_of_one_kind_measure_nothing(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"a": "x", "b": "y", "same": true}\n')
    with pytest.raises(BadRows, match="both kinds"):
        together({"p": read_pairs(tmp_path / "p.jsonl")})


def test_files_of_one_kind_are_one_with_each_other_and_the_rest_stay():
    same, other = Pair("a", "b", same=True), Pair("a", "c", same=False)
    assert together({"x": [same], "y": [same, other], "z": [other]}) == {"y": [same, other], "x + z": [same, other]}
    with pytest.raises(BadRows, match="z"):
        together({"y": [same, other], "z": [other]})


def test_a_profile_of_ones_own_comes_before_the_shipped_one(tmp_path):
    record = {"model": "text-embedding-3-small", "threshold": 0.8, "max_tokens": 99, "measured": "here"}
    (tmp_path / "mine.json").write_text(json.dumps(record))
    assert profile_of("text-embedding-3-small", tmp_path).threshold == 0.8
    assert profile_of("text-embedding-3-small").measured.startswith("unverified")
    assert profile_of("text-embedding-3-small").threshold == 0.92
    assert profile_of("stranger", tmp_path).threshold is None
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match=r"broken\.json"):
        profile_of("stranger", tmp_path)


def test_the_shipped_profile_of_the_embedded_model_is_an_evaluations_own():
    profile = profile_of("multilingual-e5-small-q4")
    assert 0.98 < profile.threshold < 1
    assert "evaluate, guard on" in profile.measured

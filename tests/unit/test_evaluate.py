"""The figures of an evaluation, against tables small enough to be worked out by hand."""

import json

import numpy as np
import pytest

from askonce_worker.evaluate.figures import Scores, allowed, at_error, figures, least_threshold, recommended, wilson
from askonce_worker.evaluate.pairs import BadPairs, Pair, held_out, read_pairs, together
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


def test_so_many_wrong_hits_are_allowed_as_show_the_error():
    for pairs in (400, 4000, 40_000):
        count = allowed(pairs, 0.01)
        assert wilson(count, pairs)[1] <= 0.01 < wilson(count + 1, pairs)[1]
    assert allowed(100, 0.01) == 0


def test_the_recommendation_keeps_the_error_on_each_file():
    other = scores((0.985, False, True), (0.99, True, True))
    assert recommended([TABLE, other], 0.01) == 0.9851
    assert recommended([TABLE, scores((1.0, False, True))], 0.01) is None


def test_a_pair_stays_in_its_half_whatever_is_beside_it_and_however_it_is_turned():
    pairs = [Pair(f"a{i}", f"b{i}", same=True) for i in range(400)]
    halves = held_out(pairs, 0)
    assert 150 < halves.sum() < 250
    turned = [Pair(pair.b, pair.a, pair.same) for pair in reversed(pairs)]
    assert list(held_out(turned, 0)) == list(reversed(halves))
    assert list(held_out(pairs, 1)) != list(halves)


def test_pairs_are_read_from_json_lines_and_csv(tmp_path):
    expected = [Pair("x, y", "z", same=True), Pair("问", "答", same=False)]
    lines = [json.dumps({"a": pair.a, "b": pair.b, "same": pair.same, "more": 1}) for pair in expected]
    (tmp_path / "p.jsonl").write_text("\n".join(lines) + "\n\n", "utf-8")
    (tmp_path / "p.csv").write_text('b,a,same\nz,"x, y",1\n答,问,no\n', "utf-8-sig")
    assert read_pairs(tmp_path / "p.jsonl") == read_pairs(tmp_path / "p.csv") == expected


@pytest.mark.parametrize("line", ["{", "[]", '{"a": "x", "b": "y"}', '{"a": "", "b": "y", "same": true}'])
def test_a_malformed_row_is_named_by_its_line_and_not_repeated(tmp_path, line):
    (tmp_path / "p.jsonl").write_text('{"a": "x", "b": "secret", "same": true}\n' + line)
    with pytest.raises(BadPairs, match="line 2") as failure:
        read_pairs(tmp_path / "p.jsonl")
    assert "secret" not in str(failure.value)


def test_pairs_of_one_kind_measure_nothing(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"a": "x", "b": "y", "same": true}\n')
    with pytest.raises(BadPairs, match="both kinds"):
        together({"p": read_pairs(tmp_path / "p.jsonl")})


def test_files_of_one_kind_are_one_with_each_other_and_the_rest_stay():
    same, other = Pair("a", "b", same=True), Pair("a", "c", same=False)
    assert together({"x": [same], "y": [same, other], "z": [other]}) == {"y": [same, other], "x + z": [same, other]}
    with pytest.raises(BadPairs, match="z"):
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

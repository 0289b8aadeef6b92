"""Counters into figures."""

import math
import random

import pytest

from askonce.commands.stats_table import tables
from askonce.contract.counters import RATIO, bucket, percentile, read_counters, tokens, total
from askonce.prices import Prices

PRICES = Prices({"m": {"input": 2.0, "cached_input": 1.0, "output": 10.0}})


@pytest.mark.parametrize("seconds", [0.0004, 0.003, 0.05, 1.0, 77.0, 86_400.0])
def test_a_percentile_is_within_a_tenth(seconds):
    assert percentile({bucket(seconds): 1}, 0.5) == pytest.approx(seconds, rel=0.1)


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentiles_of_many_are_within_a_tenth(share):
    durations = sorted(random.Random(7).lognormvariate(-2, 1) for _ in range(20_000))
    counts = {}
    for seconds in durations:
        counts[bucket(seconds)] = counts.get(bucket(seconds), 0) + 1
    exact = durations[math.ceil(share * len(durations)) - 1]
    assert percentile(counts, share) == pytest.approx(exact, rel=0.1)


def test_no_durations_have_no_percentile():
    assert percentile({}, 0.5) is None


def test_the_buckets_are_narrow_enough():
    assert math.sqrt(RATIO) < 1.1


def test_what_was_spent_and_saved_is_priced_by_model():
    counters = {b"tokens_in|n|m": 3_000_000, b"tokens_cached|n|m": 1_000_000, b"tokens_out|n|m": 500_000}
    counters |= {b"saved_in|n|m": 1_000_000, b"saved_out|n|m": 200_000}
    figures = read_counters(counters, PRICES)["n", "m"]
    assert (figures.spent, figures.saved) == (pytest.approx(2 * 2 + 1 + 5), pytest.approx(2 + 2))


def test_a_model_without_a_price_leaves_the_sum_unknown_and_not_wrong():
    known = read_counters({b"tokens_in|n|m": 10, b"tokens_in|n|unknown": 10}, PRICES)
    assert known["n", "unknown"].spent is None
    assert total(known.values()).spent is None
    assert total(known.values()).counts["tokens_in"] == 20


def test_a_model_that_answers_for_nothing_costs_nothing():
    assert read_counters({b"exact|n|unknown": 3}, PRICES)["n", "unknown"].spent == 0


def test_the_report_adds_up():
    counters = {b"exact|n|m": 5, b"semantic|n|m": 2, b"inflight|n|m": 1, b"llm|n|m": 8, b"failed|n|m": 4}
    report = read_counters(counters, PRICES)["n", "m"].report()
    assert (report["questions"], report["calls_saved"], report["hit_rate"]) == (20, 8, 0.4)


def test_a_model_may_have_any_name():
    assert list(read_counters({b"exact|n|a|b:c": 1}, PRICES)) == [("n", "a|b:c")]


@pytest.mark.parametrize("usage", [None, [], {"prompt_tokens": None, "completion_tokens": -3}, {"prompt_tokens": "9"}])
def test_a_usage_that_makes_no_sense_counts_nothing(usage):
    assert tokens({"usage": usage}) == (0, 0, 0)


def test_the_table_shows_every_period():
    period = total([]).report() | {"by": []}
    now = {"workers": 1, "entries": 0, "entries_bytes": 0, "vectors_waiting": 0, "dead_letters": 0, "lanes": {}}
    text = tables({"currency": "USD", **dict.fromkeys(("hour", "day", "month", "total"), period), "now": now})
    assert text.splitlines()[0].split("  ")[-1].strip() == "in all"
    assert "hit rate" in text
    assert text.startswith("full hours and this one"), "what a period is"

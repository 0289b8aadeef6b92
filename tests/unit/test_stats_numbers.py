"""Counters into figures."""

import math
import random

import pytest

from askonce.commands.stats_table import tables
from askonce.contract.counters import RATIO, bucket, percentile, read_counters, tokens, total
from askonce.prices.money import NANO
from askonce.prices.price_file import FilePrices

PRICES = FilePrices({"m": {"input": 2.0, "cached_input": 1.0, "output": 10.0}})


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
    assert (figures.spent, figures.saved) == (10 * NANO, 4 * NANO)


def test_what_workers_have_counted_stands_and_the_rest_is_priced():
    counted = {b"cost|n|m": 5, b"priced_in|n|m": 1_000_000, b"priced_cached|n|m": 0, b"priced_out|n|m": 500_000}
    tokens_of = {b"tokens_in|n|m": 1_000_000, b"tokens_out|n|m": 500_000}
    by_list = FilePrices({"m": {"input": 2.0, "output": 10.0}})
    by_list.own = False
    assert read_counters(tokens_of | counted, by_list)["n", "m"].spent == 5
    older = {b"tokens_in|n|m": 3_000_000, b"tokens_out|n|m": 500_000}
    assert read_counters(older | counted, by_list)["n", "m"].spent == 5 + 4 * NANO


def test_prices_of_the_users_own_hold_for_what_was_counted_by_others():
    counters = {
        b"tokens_in|n|m": 3_000_000,
        b"tokens_cached|n|m": 1_000_000,
        b"tokens_out|n|m": 500_000,
        b"cost|n|m": 5,
    }
    counters |= {b"tokens_in:flex|n|m": 1_000_000, b"tokens_cached:flex|n|m": 0, b"tokens_out:flex|n|m": 100_000}
    own = FilePrices({"m": {"input": 2.0, "cached_input": 1.0, "output": 10.0, "flex": {"input": 1.0, "output": 5.0}}})
    figures = read_counters(counters, own)["n", "m"]
    assert figures.spent == (2 + 1 + 4) * NANO + (1 * NANO + NANO // 2)
    assert figures.report()["tokens_by_tier"] == {"flex": {"input": 1_000_000, "cached": 0, "output": 100_000}}


def test_a_model_without_a_price_is_named_and_left_out_of_the_sum():
    known = read_counters({b"tokens_in|n|m": 1_000_000, b"tokens_in|n|unknown": 10}, PRICES)
    assert known["n", "unknown"].report()["money_spent"] is None
    report = total(known.values()).report()
    assert (report["money_spent"], report["unpriced_models"]) == (pytest.approx(2.0), ["unknown"])
    assert report["tokens"]["input"] == 1_000_010


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


def test_counters_of_a_newer_release_are_left_alone():
    counters = {b"exact|n|m": 1, b"unheard-of|n|m": 3, b"unheard:of|n|m": 4, b"unmatched:embeddings_slow|n|m": 2}
    report = read_counters(counters, PRICES)["n", "m"].report()
    assert (report["questions"], report["unmatched"]) == (1, {"embeddings_slow": 2})


NOW = {
    "workers": 1,
    "entries": 1_234_567,
    "entries_bytes": 4_000_000_000,
    "vectors_waiting": 0,
    "vectors_filling": 1_234_567,
    "vectors_filled": 123_456,
    "dead_letters": 0,
    "parked": 0,
    "provider_batches": 0,
    "budgets": [
        {"namespace": "n" * 64, "period": "month", "limit": 1_000_000.0, "spent": 987_654.321, "held": 1.0, "ends": 1}
    ],
    "lanes": {"bulk": {"waiting_jobs": 123_456, "running_jobs": 1_024, "questions": 7_900_000, "oldest_s": 123_456.0}},
}


def report_of(hour, total_counters):
    """As `Admin.stats` puts it together: all of it within a day, `hour` of it within the last hour."""

    def period(counters):
        figures = read_counters(counters, PRICES)
        by = [{"namespace": key[0], "model": key[1], **each.report()} for key, each in sorted(figures.items())]
        return {**total(figures.values()).report(), "by": by}

    whole = period(total_counters)
    return {"currency": "USD", "hour": period(hour), "day": whole, "month": whole, "total": whole, "now": NOW}


BUSY = {
    b"exact|%s|%s" % (space, model): 123_456_789
    for space in (b"a-tenant-with-a-rather-long-name-of-its-own", b"b")
    for model in (b"some-provider/some-family-instruct-with-a-long-name-2026", b"m", b"unpriced")
}
BUSY |= {field.replace(b"exact", name): 123_456_789 for field in BUSY for name in (b"calls", b"tokens_in", b"saved_in")}
BUSY |= {b"hit:70|b|m": 5, b"miss:90|b|m": 5, b"joined:100|b|m": 5}


@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_tables_fit_the_terminal(width):
    text = tables(report_of({b"exact|b|m": 1}, BUSY), width)
    assert max(map(len, text.splitlines())) <= width
    assert "last hour" in text
    assert "in all" in text


def test_a_period_that_says_nothing_new_has_no_column():
    few = {b"exact|n|m": 3}
    assert "last" not in tables(report_of(few, few))
    assert "last hour" in tables(report_of({}, few))
    assert "last day" not in tables(report_of({}, few))


def test_rows_and_columns_that_say_nothing_are_left_out():
    text = tables(report_of({}, {b"exact|n|unpriced": 3, b"saved_in|n|unpriced": 3}))
    assert "cancelled" not in text
    assert "namespace" not in text
    assert "hit rate" in text


def test_what_has_no_price_is_said():
    text = tables(report_of({}, {b"tokens_in|n|m": 1_000_000, b"tokens_in|n|unpriced": 3, b"calls|n|m": 1}))
    assert "2.00*" in text
    assert "no price: unpriced" in text


def test_a_wait_that_holds_the_queue_is_called_so():
    assert "including the queue" in tables(report_of({}, {b"hit:90|n|m": 1, b"exact|n|m": 1}))

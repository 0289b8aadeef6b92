"""What `askonce stats` prints of wrong hits: at 80 columns, whatever was found."""

from dataclasses import replace

import orjson
import pytest

from askonce.commands.wrong_rate_table import NO_HITS, wrong_rates
from askonce.contract.wrong_rates import GroupRate, Served, WrongRates, decode_rates, encode_rates

LONG = "You are a careful assistant. Classify the message of a customer as one of refund, delivery, other: {text}"
ALL = GroupRate("", "", "", "", 11_000_000, 4_100_000, 123_456, 0, 21, 12, 34)
NAMES = ("g" * 22, "a-tenant-with-a-long-name", "some-provider/some-model-2026", LONG)
GROUP = GroupRate(*NAMES, 9_000_000, 3e6, 160, 9, 900_000, 8e5, 1e6, Served(12_345, "learnt", -12.3456, 0.05))
JUDGE, AGREEMENT = {"budget": 1.0, "cost": 0.12}, {"same:same": 9, "different:same": 1}
OTHER = replace(GROUP, group="h", namespace="b", policy=None)
GATE = {"asked": 123_456, "cost": 1234.5, "served": 100_000, "saved": 12_345.6}
RATES = WrongRates(1, 168, 0.01, None, ALL, (GROUP, OTHER), JUDGE, AGREEMENT, GATE)
ENCODED = orjson.loads(encode_rates(RATES))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize(
    "rates",
    [
        None,
        RATES,
        replace(RATES, all=replace(ALL, answered=0), groups=()),
        replace(RATES, groups=(GROUP,) * 30, budget=None, rate=0.01, judge={}, agreement={}),
        replace(
            RATES, all=replace(ALL, unknown=123_456), groups=(replace(GROUP, policy=Served(1, "cosine", None, 1)),)
        ),
    ],
)
def test_it_fits_the_terminal(rates, width):
    assert max(map(len, wrong_rates(rates, width, "USD").splitlines())) <= width


def test_what_is_unknown_is_said_to_be_so():
    assert "the rate is unknown" in " ".join(wrong_rates(None, 80, "USD").split())
    assert wrong_rates(replace(RATES, all=replace(ALL, answered=0), groups=()), 80, "USD").startswith(NO_HITS)
    never = replace(GROUP, answered=10, hits=0, wrong=0, low=0, high=0)
    assert " - " in wrong_rates(replace(RATES, groups=(never,)), 80, "USD")


def test_what_the_judge_did_as_a_gate_is_among_its_pairs():
    spent = replace(RATES, judge={"budget": 1.0, "cost": 0.12, "gate": 40.0})
    assert "spent today on 40 pairs" in " ".join(wrong_rates(spent, 80, "USD").split())
    both = replace(RATES, judge={"budget": 1.0, "cost": 0.12, "gate": 40.0, "pairs": 2.0})
    assert "spent today on 42 pairs" in " ".join(wrong_rates(both, 80, "USD").split())


def test_a_budget_that_nothing_was_checked_for_is_not_said_to_be_kept():
    said = wrong_rates(replace(RATES, all=replace(ALL, checks=0), groups=()), 80, "USD")
    assert "Nothing was checked yet." in said
    assert "No group" not in said


def test_a_group_exceeds_its_budget_once_that_is_certain():
    assert [each.group for each in RATES.exceeding] == [GROUP.group, "h"]
    assert replace(RATES, budget=None).exceeding == []
    assert replace(RATES, groups=(replace(GROUP, low=80_000),)).exceeding == []


def test_rates_are_read_as_they_were_written():
    assert decode_rates(encode_rates(RATES)) == RATES


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"groups": None},
        {"groups": [1]},
        {"groups": [{**ENCODED["all"], "policy": 1}]},
        {"all": {}},
        {"at": -1},
        {"judge": {"cost": "x"}},
        {"budget": True},
    ],
)
def test_rates_that_are_none_are_refused(change):
    with pytest.raises(ValueError, match=r"."):
        decode_rates(orjson.dumps({**ENCODED, **change}))

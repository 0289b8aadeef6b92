"""What a call would have been answered by, at its time."""

import pytest

from askonce_worker.matching.match import Reuse
from askonce_worker.replay.expiry import Expiry
from askonce_worker.replay.risky import MOST, Pair, Risky
from askonce_worker.replay.world import Kind, Passing, World

USUAL = Reuse(kept=True, from_cache=True, semantic=True, threshold=0.9)
ABOUT_NOW = Reuse(kept=False, from_cache=False, semantic=True, threshold=0.9)


@pytest.fixture
def world():
    """Question 0 was asked at 100, answered at 103, and serves until 1103. Question 1 asks about now."""
    world = World(0.9)
    world.lead(0, source=7, ready=103.0, until=1103.0)
    world.lead(1, source=8, ready=103.0, until=103.0)
    return world


@pytest.mark.parametrize(
    ("now", "kind"), [(101.0, Kind.inflight), (103.0, Kind.exact), (1102.9, Kind.exact), (1103.0, Kind.miss)]
)
def test_the_same_question_joins_then_hits_then_expires(world, now, kind):
    outcome = world.look_up(0, now, USUAL, [])
    assert (outcome.kind, outcome.other) == (kind, False)
    assert outcome.source == (0 if kind is Kind.miss else 7)


@pytest.mark.parametrize(
    ("now", "similarity", "kind"),
    [
        (101.0, 0.95, Kind.inflight), (104.0, 0.95, Kind.semantic), (104.0, 0.89, Kind.miss),
        (101.0, 0.89, Kind.miss), (1103.0, 0.95, Kind.miss),
    ],
)  # fmt: skip
def test_a_similar_one_serves_from_the_threshold_on(world, now, similarity, kind):
    outcome = world.look_up(5, now, USUAL, [Passing(0, similarity, in_flight=False)])
    assert outcome.kind is kind
    assert outcome.other == (kind is not Kind.miss)


def test_who_joins_waits_for_the_rest_of_the_call(world):
    assert world.look_up(0, 101.0, USUAL, []).waits == 2.0


def test_a_question_about_now_joins_a_call_and_is_served_by_no_cache(world):
    assert world.look_up(1, 102.0, ABOUT_NOW, []).kind is Kind.inflight
    assert world.look_up(1, 104.0, ABOUT_NOW, []).kind is Kind.miss
    assert world.look_up(0, 104.0, ABOUT_NOW, []).kind is Kind.miss


def test_what_is_cached_comes_before_what_is_under_way(world):
    world.lead(2, source=9, ready=300.0, until=1300.0)
    near = [Passing(2, 0.99, in_flight=False), Passing(0, 0.92, in_flight=False)]
    outcome = world.look_up(5, 200.0, USUAL, near)
    assert (outcome.kind, outcome.source) == (Kind.semantic, 7)


def test_without_a_threshold_nothing_similar_serves():
    world = World(None)
    world.lead(0, source=1, ready=0.0, until=9.0)
    assert world.look_up(1, 1.0, USUAL, [Passing(0, 1.0, in_flight=False)]).kind is Kind.miss
    assert world.look_up(0, 1.0, USUAL, []).kind is Kind.exact


def test_what_was_renewed_is_not_gone_before_its_new_end():
    expiry, ends = Expiry(), {1: 10.0, 2: 10.0}
    for number, end in ends.items():
        expiry.add(number, end)
    ends[1] = 50.0
    assert expiry.gone(ends.__getitem__, 9.0) == []
    assert expiry.gone(ends.__getitem__, 10.0) == [2]
    assert expiry.gone(ends.__getitem__, 50.0) == [1]
    assert expiry.gone(ends.__getitem__, 99.0) == []


def test_pairs_whose_answers_differ_are_the_riskiest_and_then_the_least_similar():
    risky = Risky()

    def offer(name, same, similarity):
        texts = f"{name}?", f"{name}!"
        if risky.takes(same, similarity, texts):
            risky.add(Pair(*texts, same, similarity, "n", "m", None, None, None))

    for at in range(MOST):
        offer(f"unknown {at}", None, 0.9 + at / 1000)
    offer("wrong", False, 0.999)
    offer("wrong", False, 0.999)
    offer("right", True, 0.5)
    rows = risky.rows()
    assert len(rows) == MOST
    assert [row["a"] for row in rows[:2]] == ["wrong?", "unknown 0?"]
    assert f"unknown {MOST - 1}?" not in {row["a"] for row in rows}

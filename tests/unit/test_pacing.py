"""The pure rules of pacing: how much is under way at a server, and for how long it is waited for."""

import pytest

from askonce_worker.pacing.health import Health, Patience
from askonce_worker.pacing.pace import Pace

BULK = Patience(60.0, renewed=True)
INTERACTIVE = Patience(3.0, renewed=False)


def work_off(pace, *, items_a_second, replies, latency=0.0):
    """Replies of a server that works one text after the other."""
    now = 0.0
    for _ in range(replies):
        took = latency + pace.bound / items_a_second
        pace.replied(began=now, now=now + took, more_waited=True)
        now += took
        yield took


def test_a_slow_server_gets_a_seconds_worth_and_no_more():
    pace = Pace()
    times = list(work_off(pace, items_a_second=70, replies=50))
    assert max(times) < 1.1
    assert 20 <= pace.bound <= 80


def test_a_server_that_has_become_ten_times_as_slow_gets_less_at_once():
    pace = Pace()
    list(work_off(pace, items_a_second=700, replies=20))
    first, *later = work_off(pace, items_a_second=7, replies=5)
    assert first > 10
    assert max(later) < 2.5


def test_a_quick_server_gets_ever_more():
    pace = Pace()
    list(work_off(pace, items_a_second=1_000_000, replies=10, latency=0.1))
    assert pace.bound == pace.most, "in a second"


def test_a_single_text_says_nothing_of_many():
    pace = Pace()
    for now in range(10):
        pace.replied(began=now, now=now + 0.01, more_waited=False)
    assert pace.bound == 16


def test_requests_side_by_side_lower_the_bound_once():
    pace = Pace(bound=64)
    for end in (1.5, 1.6, 1.7):
        pace.replied(began=0.0, now=end, more_waited=True)
    assert pace.bound == 64 // 2


def test_a_bulk_text_waits_for_as_long_as_the_server_answers_others():
    health = Health()
    for now in range(0, 300, 20):
        health.replied(now)
    assert health.gives_up_at(0.0, BULK) == 280 + 60
    assert health.gives_up_at(0.0, INTERACTIVE) == 3


def test_a_server_that_is_down_is_done_without_after_the_lanes_patience():
    health = Health()
    health.replied(10.0)
    health.failed(began=10.0, now=11.0, pause=1.0)
    assert (health.gives_up_at(10.0, BULK), health.gives_up_at(10.0, INTERACTIVE)) == (70, 13)
    assert not health.is_given_up(11.5, BULK)
    health.failed(began=12.0, now=71.0, pause=99.0)
    assert health.is_given_up(72.0, BULK), "each text would wait a minute again"
    assert not health.is_given_up(71.0 + 15.0, BULK), "it is time to try again"
    assert health.gives_up_at(90.0, BULK) == 90.5
    health.replied(91.0)
    assert health.gives_up_at(91.0, BULK) == 151


def test_requests_side_by_side_fail_as_one():
    health = Health()
    for now in (5.0, 5.1, 5.2):
        health.failed(began=0.0, now=now, pause=1.0)
    assert (health.failures, health.resumes_at) == (1, 6.0)


def test_a_rate_limit_is_no_failure_and_is_waited_out_for_as_long_as_vectors_come():
    health = Health()
    health.put_off(50.0, 2.0)
    health.replied(55.0)
    health.put_off(56.0, 2.0)
    assert (health.down_since, health.failures, health.resumes_at) == (None, 0, 58.0)
    assert health.gives_up_at(0.0, BULK) == 115
    assert health.gives_up_at(57.0, INTERACTIVE) == 60


def test_a_server_that_only_says_later_is_done_without_after_the_lanes_patience():
    health = Health()
    for now in range(0, 100, 2):
        health.put_off(float(now), 2.0)
    assert health.gives_up_at(0.0, BULK) == 60
    assert health.is_given_up(99.0, BULK), "each text would wait a minute again"
    assert not health.is_given_up(100.5, BULK), "it is time to try again"
    assert not health.is_given_up(99.0, INTERACTIVE)


@pytest.mark.parametrize("latency", [1.5, 5.0, 20.0, 300.0])
def test_a_server_that_is_only_far_away_gets_as_much_as_a_near_one(latency):
    pace = Pace()
    list(work_off(pace, items_a_second=100_000, replies=1, latency=latency))
    assert pace.bound == pace.least, "nothing tells how far it is"
    pace.far(latency)
    list(work_off(pace, items_a_second=100_000, replies=12, latency=latency))
    assert pace.bound > 1000


def test_a_server_that_moves_away_and_comes_back_is_followed():
    pace = Pace(bound=64, most=512, step=64, quick=0.25, slow=0.5)
    for latency in (0.0, 1.0, 5.0, 20.0, 5.0, 0.0):
        pace.far(latency)
        list(work_off(pace, items_a_second=2_000, replies=20, latency=latency))
        assert pace.bound > 200, latency


def test_what_lies_between_is_forgotten_when_replies_are_quicker():
    pace = Pace(bound=64, most=512)
    pace.far(20.0)
    pace.replied(began=0.0, now=0.1, more_waited=False)
    pace.replied(began=1.0, now=9.0, more_waited=True)
    assert pace.bound == 16


def test_a_far_server_that_is_slow_as_well_is_not_flooded():
    pace = Pace()
    pace.far(5.0)
    *_, last = work_off(pace, items_a_second=10, replies=60, latency=5.0)
    assert last < 12
    assert pace.bound >= 10, "half of the time is the way there"


def test_slow_replies_leave_a_few_items_and_only_time_outs_fewer():
    pace = Pace(bound=512)
    for now in range(0, 600, 30):
        pace.replied(began=now, now=now + 29.0, more_waited=True)
    assert pace.bound == 16
    for now in range(600, 900, 30):
        pace.timed_out(began=now, now=now + 29.0)
    assert pace.bound == 1


@pytest.mark.parametrize("workers", [2, 4, 8])
def test_workers_that_share_a_server_share_its_second(workers):
    """None of them takes the others' load for the way to the server."""
    paces, now = [Pace() for _ in range(workers)], 0.0
    for _ in range(300):
        took = sum(pace.bound for pace in paces) / 70
        for pace in paces:
            pace.replied(began=now, now=now + took, more_waited=True)
        now += took
    assert sum(pace.bound for pace in paces) / 70 < max(1.5, workers * 16 / 70 + 0.1)


def test_a_server_that_cannot_be_reached_is_not_tried_by_each_item_where_it_is_asked_whether_it_is_back():
    health = Health(is_checked=True)
    health.failed(began=0.0, now=1.0, pause=1.0, unreachable=True)
    assert not health.is_given_up(30.0, BULK)
    assert health.is_given_up(61.0, BULK), "though it is time to try again"
    health.reached(62.0)
    assert (health.down_since, health.is_given_up(62.0, BULK)) == (None, False)


def test_a_word_of_a_server_that_fails_is_no_answer():
    health = Health(is_checked=True)
    health.failed(began=0.0, now=1.0, pause=1.0)
    health.reached(50.0)
    assert health.gives_up_at(0.0, BULK) == 60


def test_a_word_of_a_slow_server_is_a_reason_to_wait():
    health = Health(is_checked=True)
    for now in range(0, 300, 20):
        health.reached(now)
    assert health.gives_up_at(0.0, BULK) == 280 + 60

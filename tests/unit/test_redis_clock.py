"""The clock that replies of Redis set."""

import time

from askonce_worker.redis.clock import RedisClock


def test_it_tells_the_time_of_the_reply_and_goes_on():
    clock = RedisClock()
    now = time.monotonic()
    clock.observe(1_000_000, sent=now, received=now)
    assert 1_000_000 <= clock.now_ms() < 1_000_500


def test_a_slow_reply_does_not_correct_a_quick_one():
    clock = RedisClock()
    now = time.monotonic()
    clock.observe(1_000_000, sent=now, received=now)
    clock.observe(999_600, sent=now - 2, received=now)
    assert clock.now_ms() < 1_000_500


def test_a_slow_reply_that_a_quick_one_contradicts_has_another_clock():
    clock = RedisClock()
    now = time.monotonic()
    clock.observe(1_000_000, sent=now, received=now)
    clock.observe(5_000_000, sent=now - 2, received=now)
    assert clock.now_ms() >= 5_000_000


def test_without_a_reply_it_is_the_wall_clock():
    assert abs(RedisClock().now_ms() - time.time() * 1000) < 1000

"""When a provider is asked again, and after how long."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askonce_worker.providers.retry import LONGEST_PAUSE, Backoff, RetryDecision, judge_status, retry_after


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_asked_again(status: int) -> None:
    assert not judge_status(status, None).final


@pytest.mark.parametrize("status", [300, 400, 401, 402, 403, 404, 413, 422])
def test_what_will_not_pass_is_final(status: int) -> None:
    assert judge_status(status, None).final


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (429, "rate_limit_exceeded", RetryDecision("rate_limit", final=False)),
        (429, "insufficient_quota", RetryDecision("quota", final=True)),
        (402, None, RetryDecision("quota", final=True)),
        (408, None, RetryDecision("timeout", final=False)),
        (503, "overloaded", RetryDecision("server_error", final=False)),
        (400, "context_length_exceeded", RetryDecision("bad_request", final=True)),
        (409, None, RetryDecision("bad_request", final=False)),
    ],
)
def test_a_status_has_a_kind(status: int, code: str | None, verdict: RetryDecision) -> None:
    assert judge_status(status, code) == verdict


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "soon"}, 7.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True), "date": formatdate(NOW + 60, usegmt=True)}, 30.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_retry_after_is_read_as_the_provider_meant_it(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=NOW) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_makes_retry_after_fail(value: str, date: str) -> None:
    seconds = retry_after({"retry-after": value, "date": date}, now=NOW)
    assert seconds is None or seconds >= 0


chances = st.floats(0, 1, exclude_max=True)


@given(chances, st.integers(1, 50))
def test_a_pause_lies_between_half_a_second_and_thirty(chance: float, tried: int) -> None:
    assert 0.5 <= Backoff(lambda: chance).pause(tried, None) <= 30


@given(chances, st.integers(1, 50), st.floats(0.001, LONGEST_PAUSE))
def test_a_pause_is_never_shorter_than_the_provider_asks(chance: float, tried: int, asked: float) -> None:
    assert asked <= Backoff(lambda: chance).pause(tried, asked) <= asked + 0.5


def test_a_day_is_not_slept_in_a_slot() -> None:
    assert Backoff(lambda: 1.0).pause(1, 86_400.0) == LONGEST_PAUSE + 0.5


def test_pauses_grow_to_thirty_seconds_within_five_tries() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.pause(tried, None) for tried in (1, 2, 3, 4)] == [2, 8, 30, 30]


def test_asked_for_no_pause_the_backoff_holds() -> None:
    assert Backoff(lambda: 0.0).pause(1, 0.0) == 0.5

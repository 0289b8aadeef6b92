"""The provider's limits, shared by several workers through Redis."""

import asyncio
import contextlib
import random

import pytest
from redis.asyncio import Redis

from askonce import Question
from askonce.contract.keys import Keys
from askonce_worker.providers.rate_budget import RateBudget, provider_name
from support.llm_server import busiest
from support.worker_process import until

MODEL = "gpt-4o-mini"
PROVIDER = "api.openai.com"
WINDOW = 2.0


@pytest.fixture
async def make(valkey_url, prefix):
    """Budgets as so many workers have them, each with connections of its own."""
    async with contextlib.AsyncExitStack() as stack:

        def made(*, rpm=0, tpm=0, window=WINDOW):
            redis = Redis.from_url(valkey_url)
            stack.push_async_callback(redis.aclose)
            return RateBudget(redis, Keys(prefix), provider=PROVIDER, rpm=rpm, tpm=tpm, window=window)

        yield made


def question(text="q", **params):
    return Question(text, model=MODEL, namespace="n", params=params)


async def again(reservation):
    """Waits as who has a turn does."""
    reservation.renew()
    while wait := await reservation.take():
        await asyncio.sleep(wait)


async def granted(reservation):
    """The moment that a call was given, in seconds of Redis's clock, once it has come."""
    await again(reservation)
    return float(reservation._moment) / 1000


async def test_no_window_holds_more_requests_than_the_limit(make):
    workers = [make(rpm=60) for _ in range(3)]
    lanes = ["interactive", "bulk"]
    calls = [granted(workers[n % 3](question(), lanes[n % 2])) for n in range(110)]
    moments = await asyncio.gather(*calls)
    assert busiest([{"at": at} for at in moments], WINDOW) <= 60


async def test_no_window_holds_more_tokens_than_the_limit(make):
    workers = [make(tpm=6000) for _ in range(3)]
    dice = random.Random(5)
    costs = [dice.choice([1, 20, 100, 200, 200, 600]) for _ in range(50)]
    reservations = [workers[n % 3](question(max_tokens=cost), "bulk") for n, cost in enumerate(costs)]
    moments = await asyncio.gather(*map(granted, reservations))
    calls = sorted((at, reservation._tokens) for at, reservation in zip(moments, reservations, strict=True))
    assert sum(tokens for _, tokens in calls) > 6000, "one window is no test"
    for start, _ in calls:
        assert sum(tokens for at, tokens in calls if start <= at < start + WINDOW) <= 6000


async def test_an_interactive_call_does_not_wait_behind_bulk_ones(make):
    budget = make(rpm=600, window=60.0)
    while True:
        bulk = budget(question(), "bulk")
        await bulk.take()
        if not bulk._moment:
            break
    wait = await budget(question(), "interactive").take()
    assert wait * 1000 <= budget.request_ms + 1


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_cheap_calls_of_other_workers_do_not_starve_a_dear_one(make, lane):
    """Cheap ones without end; nobody of them is refused for long either."""
    workers = [make(tpm=10_000) for _ in range(3)]
    cheap = 0

    async def spend(budget):
        nonlocal cheap
        while True:
            await again(budget(question(max_tokens=100), lane))
            cheap += 1

    tasks = [asyncio.create_task(spend(budget)) for budget in workers[:2]]
    async with asyncio.timeout(30):
        for _ in range(3):
            before = cheap
            await again(workers[2](question(max_tokens=1500), lane))
            while cheap < before + 20:
                await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_bulk_calls_leave_room_for_an_ask_that_is_dearer_than_what_is_kept(make):
    workers = [make(tpm=10_000) for _ in range(3)]

    async def spend(budget):
        while True:
            await again(budget(question(max_tokens=100), "bulk"))

    tasks = [asyncio.create_task(spend(budget)) for budget in workers[:2]]
    async with asyncio.timeout(30):
        for _ in range(3):
            await again(workers[2](question(max_tokens=1500), "interactive"))
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.mark.parametrize(
    ("params", "least", "most"),
    [
        ({"max_tokens": 10_000_000}, 10_000, 10_100),
        ({"max_tokens": 300, "max_completion_tokens": None}, 300, 400),
        ({"max_tokens": 300, "n": -5}, 300, 400),
        ({"max_tokens": 300, "n": 3}, 900, 1000),
        ({"max_tokens": "many", "n": "more"}, 500, 600),
    ],
)
async def test_an_estimate_is_one_whatever_a_question_asks_for(make, params, least, most):
    assert least <= make(tpm=60_000)(question(**params), "bulk")._tokens <= most


async def test_what_is_given_back_may_be_used_by_others(make):
    budget = make(rpm=6, tpm=6000, window=60.0)
    for _ in range(5):
        follower = budget(question(max_tokens=50), "bulk")
        await asyncio.wait_for(again(follower), 10)
        follower.give_back()
        await until(lambda: nothing_under_way(budget))


async def nothing_under_way(budget):
    return not budget._tasks


async def test_the_providers_count_corrects_the_estimate(make, valkey_url, prefix):
    budget = make(tpm=60_000, window=60.0)
    redis, key = Redis.from_url(valkey_url), Keys(prefix).rates(PROVIDER, MODEL)
    reservation = budget(question(max_tokens=1000), "bulk")
    assert await reservation.take() == 0
    before = float(await redis.hget(key, "tokens"))
    reservation.spent()
    reservation.spent({"completion_tokens": 20, "total_tokens": 25})
    reservation.give_back()
    await until(lambda: nothing_under_way(budget))
    saved = before - float(await redis.hget(key, "tokens"))
    assert saved == pytest.approx((reservation._tokens - 25) * budget.token_ms, abs=0.01)
    await redis.aclose()


async def test_answers_without_a_bound_are_estimated_by_those_seen(make):
    budget = make(tpm=60_000)
    first = budget(question(), "bulk")
    for _ in range(100):
        first.spent({"completion_tokens": 30, "total_tokens": 40})
    assert budget(question(), "bulk")._tokens < first._tokens - 400
    assert budget(question(max_tokens=4000, n=2), "bulk")._tokens > 8000


async def test_a_pause_holds_for_all_workers_and_for_moments_given_before(make):
    one, other = make(rpm=60, window=60.0), make(rpm=60, window=60.0)
    waiting = other(question(), "bulk")
    while not (await waiting.take() and waiting._moment):
        waiting = other(question(), "bulk")
    one.pause(MODEL, 30)
    await until(lambda: nothing_under_way(one))
    assert await other(question(), "interactive").take() > 20
    assert await waiting.take() > 20
    assert not waiting._moment


async def test_a_shorter_pause_does_not_end_a_longer_one(make):
    budget = make()
    budget.pause(MODEL, 30)
    budget.pause(MODEL, 1)
    await until(lambda: nothing_under_way(budget))
    assert await budget(question(), "bulk").take() > 20


async def test_without_limits_redis_is_not_asked(prefix):
    budget = RateBudget(None, Keys(prefix), provider=PROVIDER, rpm=0, tpm=0)
    reservation = budget(question(), "bulk")
    assert await reservation.take() == 0
    reservation.spent()
    reservation.spent({"completion_tokens": 1, "total_tokens": 2})
    reservation.give_back()
    assert not budget._tasks


async def test_without_limits_a_pause_of_another_worker_is_seen(make):
    one, other = make(), make()
    assert await other(question(), "bulk").take() == 0
    watching = asyncio.create_task(other.watch())
    one.pause(MODEL, 30)

    async def seen():
        return await other(question(), "bulk").take() > 20

    await until(seen, what="the other worker's pause")
    watching.cancel()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (None, "api.openai.com"),
        ("http://user:secret@llm.internal:8000/v1", "llm.internal:8000"),
        ("https://api.deepseek.com", "api.deepseek.com"),
    ],
)
def test_limits_are_a_providers_own(url, name):
    assert provider_name(url) == name

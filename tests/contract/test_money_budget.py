"""What a namespace may spend, counted in Redis over several workers."""

import asyncio
import calendar
import contextlib
import random
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from askonce import Question
from askonce.contract.keys import Keys
from askonce.operator.budgets import read_budgets
from askonce.prices.money import NANO
from askonce.prices.price_file import FilePrices
from askonce.store.scripts import Script
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers import money_budget
from askonce_worker.providers.money_budget import LATE, RESERVE, SETTLE, MoneyBudget
from askonce_worker.providers.spend_limits import SpendLimit, spend_limits
from support.inflight import alive
from support.worker_process import until

LIMIT = 1_000_000
QUESTION = Question("q", model="m", namespace="shop", params={"max_tokens": 10})
LATER = 10.0**9
"""Of any loop's clock: questions have time."""
PRICES = FilePrices({"m": {"input": 0.0, "output": 1.0}})
"""An answer of ten tokens costs 10,000 billionths."""


@pytest.fixture
async def make(valkey_url, prefix):
    """As so many workers have it, each with connections of its own."""
    async with contextlib.AsyncExitStack() as stack:

        async def made(*, nano=LIMIT, period="day", lives=True):
            redis = Redis.from_url(valkey_url)
            stack.push_async_callback(redis.aclose)
            limits = {"shop": SpendLimit(nano, period)}
            name = f"host-{random.getrandbits(32):x}"
            if lives:
                await alive(redis, Keys(prefix), name)
            money = MoneyBudget(redis, Keys(prefix), worker=name, limits=limits, prices=PRICES)
            stack.push_async_callback(money.aclose)
            return money

        yield made


async def state_of(redis, prefix):
    [state] = read_budgets(await redis.hgetall(Keys(prefix).budgets.sums), now=int((await redis.time())[0]))
    return state


async def held_by(redis, prefix):
    return await redis.zcard(Keys(prefix).budgets.held("shop"))


async def call(money, cost, *, seconds=60.0):
    """One call that costs so many billionths; what it was refused for."""
    try:
        async with money.call(QUESTION, 4, seconds, LATER) as aside:
            await asyncio.sleep(random.uniform(0, 0.02))
            aside.cost = cost
    except LLMError as error:
        return error
    return None


async def test_no_budget_is_passed_over_all_workers_and_all_of_it_is_used(make, redis, prefix):
    workers, dice = [await make() for _ in range(3)], random.Random(7)
    costs = [dice.randint(1_000, 10_000) for _ in range(400)]
    refusals = await asyncio.gather(*(call(workers[n % 3], cost) for n, cost in enumerate(costs)))
    paid = sum(cost for cost, refused in zip(costs, refusals, strict=True) if refused is None)
    assert LIMIT - 10_000 < paid <= LIMIT
    refused = [error for error in refusals if error is not None]
    assert {(error.kind, error.final) for error in refused} == {("budget", True)}
    assert "the budget of shop for this day" in refused[0].message
    for money in workers:
        await money.aclose()
    state = await state_of(redis, prefix)
    assert (state.spent, state.held, state.limit) == (paid / NANO, 0, LIMIT / NANO)


async def test_what_costs_more_than_estimated_is_counted_as_it_is(make, redis, prefix):
    money = await make()
    assert await call(money, 990_001) is None
    await money.aclose()
    assert (await state_of(redis, prefix)).spent == 990_001 / NANO
    assert (await call(money, 1)).kind == "budget"


async def test_who_finds_the_rest_held_waits_for_it(make, monkeypatch):
    one, other = await make(nano=15_000), await make(nano=15_000)
    real, refused = MoneyBudget._is_taken, asyncio.Event()

    async def is_taken(self, aside, seconds, **options):
        taken = await real(self, aside, seconds, **options)
        if not taken:
            refused.set()
        return taken

    monkeypatch.setattr(MoneyBudget, "_is_taken", is_taken)
    async with one.call(QUESTION, 4, 60, LATER) as aside:
        waiting = asyncio.create_task(call(other, 5_000))
        await asyncio.wait_for(refused.wait(), 30)
        assert not waiting.done()
        aside.cost = 5_000
    assert await waiting is None


async def test_nobody_waits_longer_than_his_deadline(make, redis, prefix):
    one, other = await make(nano=15_000), await make(nano=15_000)
    async with one.call(QUESTION, 4, 60, LATER) as aside:
        with pytest.raises(LLMError, match="calls in flight held the remainder of the budget of shop") as raised:
            await other.reserve("shop", 10_000, 60, asyncio.get_running_loop().time() + 0.3)
        aside.cost = 5_000
    assert (raised.value.kind, raised.value.final) == ("budget", False)


async def test_who_leaves_while_it_is_set_aside_holds_nothing(make, redis, prefix, monkeypatch):
    money, taken = await make(), asyncio.Event()

    async def taken_and_then_silence(*arguments):
        await RESERVE(*arguments)
        taken.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(money_budget, "RESERVE", taken_and_then_silence)
    leaving = asyncio.create_task(call(money, 1))
    await taken.wait()
    assert await held_by(redis, prefix) == 1
    leaving.cancel()
    await asyncio.wait({leaving})
    await money.aclose()
    assert await held_by(redis, prefix) == 0
    state = await state_of(redis, prefix)
    assert (state.spent, state.held) == (0, 0)


@pytest.mark.parametrize("lives", [True, False], ids=["its time has passed", "it is dead"])
async def test_what_a_killed_worker_has_set_aside_counts_as_spent(make, redis, prefix, lives):
    killed, other = await make(nano=30_000, lives=lives), await make(nano=30_000)
    aside = await killed.reserve("shop", 15_000, 0.2 - LATE if lives else 900, LATER)
    assert await call(other, 1_000) is None, "there is enough for both"
    if lives:
        await until_lapsed(aside, redis, prefix)
    assert await call(other, 4_001) is None
    assert (await call(other, 1_000)).kind == "budget", "10,000 more might pass it"
    await other.aclose()
    state = await state_of(redis, prefix)
    assert (state.spent, state.held) == (20_001 / NANO, 0)
    aside.cost = 3_000
    killed.settle(aside)  # it was only frozen, and says what came of it
    await killed.aclose()
    assert (await state_of(redis, prefix)).spent == 8_001 / NANO


async def until_lapsed(aside, redis, prefix):
    """By Redis's clock its time has passed."""

    async def passed():
        seconds, micros = await redis.time()
        lapses = await redis.zscore(Keys(prefix).budgets.held("shop"), f"{aside.name}:{aside.nano}")
        return lapses is None or 1000 * seconds + micros / 1000 > lapses

    await until(passed, what="what is held to lapse")


async def sent_twice(script, redis, keys, arguments):
    """As where the connection broke before the first reply."""
    return [await script(redis, keys, arguments) for _ in range(2)]


async def test_what_is_sent_twice_counts_once(make, redis, prefix):
    await make()
    of = Keys(prefix).budgets
    places = [of.sums, of.held("shop"), of.lapsed("shop")]
    call = ["shop", "day", LIMIT, "host/1", 600_000]
    taken = await sent_twice(RESERVE, redis, [*places, Keys(prefix).workers], [*call, 60_000])
    assert [reply[0] for reply in taken] == [b"taken", b"taken"]
    assert (await state_of(redis, prefix)).held == 600_000 / NANO
    assert await held_by(redis, prefix) == 1
    await sent_twice(SETTLE, redis, places, [*call, 100_000])
    state = await state_of(redis, prefix)
    assert (state.spent, state.held) == (100_000 / NANO, 0)


async def test_what_a_lapsed_call_cost_is_put_in_place_once_and_on_its_own_day(make, redis, prefix):
    frozen, other, of = await make(lives=False), await make(), Keys(prefix).budgets
    asides = [await frozen.reserve("shop", nano, 60, LATER) for nano in (300_000, 400_000)]
    with pytest.raises(LLMError, match="the budget of shop"):
        await other.reserve("shop", 300_001, 60, LATER)  # the others lapse, and may have been paid
    assert await redis.zcard(of.lapsed("shop")) == 2
    for _ in range(2):
        await SETTLE(redis, [of.sums, of.held("shop"), of.lapsed("shop")],
                     ["shop", "day", LIMIT, asides[0].name, 300_000, 1_000])  # fmt: skip
    assert (await state_of(redis, prefix)).spent == 401_000 / NANO
    assert await redis.ttl(of.lapsed("shop")) > 0
    await redis.hset(of.sums, "shop|ends", 1)
    assert await call(other, 5_000) is None
    frozen.settle(asides[1])
    for money in (other, frozen):
        await money.aclose()
    assert (await state_of(redis, prefix)).spent == 5_000 / NANO, "yesterday's is not taken off"


async def test_a_call_whose_cost_nobody_knows_counts_as_it_was_estimated(make, redis, prefix):
    money = await make()
    with pytest.raises(TimeoutError):
        async with money.call(QUESTION, 4, 60, LATER):
            raise TimeoutError
    await money.aclose()
    assert (await state_of(redis, prefix)).spent == 10_000 / NANO


async def test_an_answer_without_a_bound_is_estimated_by_the_longest_one(make):
    money = await make()
    question = QUESTION.with_fields(params={})
    async with money.call(question, 4, 60, LATER) as aside:
        assert aside.nano == 500_000
        aside.cost = 0
    money.learn("m", 700)
    money.learn("m", 20)
    async with money.call(question, 4, 60, LATER) as aside:
        assert aside.nano == 700_000
        aside.cost = 0


async def test_a_new_day_begins_at_nought_and_warns_anew(make, redis, prefix):
    money, keys = await make(), Keys(prefix)
    with capture_logs() as logs:
        for _ in range(3):
            assert await call(money, 270_000) is None
        await money.aclose()
    assert [entry["event"] for entry in logs] == ["budget.nearly_spent"]
    await redis.hset(keys.budgets.sums, "shop|ends", 1)
    assert read_budgets(await redis.hgetall(keys.budgets.sums), now=2) == []
    with capture_logs() as logs:
        assert await call(money, 900_000) is None
        await money.aclose()
    assert (await state_of(redis, prefix)).spent == 900_000 / NANO
    assert [entry["event"] for entry in logs] == ["budget.nearly_spent"]


async def test_a_model_without_a_price_cannot_be_bounded_and_is_not_asked(make):
    with pytest.raises(LLMError, match="no price of other is known.*ASKONCE_PRICES") as raised:
        async with (await make()).call(QUESTION.with_fields(model="other"), 4, 60, LATER):
            raise AssertionError
    assert (raised.value.kind, raised.value.final) == ("budget", True)


async def test_other_namespaces_spend_what_they_like(make, redis, prefix):
    async with (await make(nano=1)).call(QUESTION.with_fields(namespace="free", model="other"), 4, 60, LATER) as aside:
        aside.cost = 10**12
    assert not await redis.exists(Keys(prefix).budgets.sums)


async def test_days_and_months_end_as_the_calendar_says(redis):
    script = Script("askonce_worker.providers", "budget_now").source + "\nreturn end_of(ARGV[1], tonumber(ARGV[2]))"
    dice = random.Random(3)
    moments = [datetime(year, month, 28, tzinfo=UTC) for year in (2024, 2026, 2100, 2400) for month in range(1, 13)]
    moments += [datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)]
    moments += [datetime.fromtimestamp(dice.randrange(4 * 10**9), UTC) for _ in range(300)]
    for moment in moments:
        seconds = int(moment.timestamp())
        assert await redis.eval(script, 0, "day", seconds) == (seconds // 86_400 + 1) * 86_400
        days = calendar.monthrange(moment.year, moment.month)[1]
        first = datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()
        assert await redis.eval(script, 0, "month", seconds) == first + days * 86_400


def test_budgets_as_people_write_them():
    assert spend_limits("default=200/day, shop=0.5/month ,") == {
        "default": SpendLimit(200 * NANO, "day"),
        "shop": SpendLimit(NANO // 2, "month"),
    }
    assert spend_limits("") == {}


@pytest.mark.parametrize(
    "setting", ["200/day", "a=200", "a=200/year", "a=0/day", "a=0.0000000001/day", "a=-1/day", "a=1e9/day",
                "a=2000000/day", "a=1.2.3/day",
                "a b=1/day", "a=1/day, a=2/day", "a|b=1/day"]
)  # fmt: skip
def test_what_is_no_budget_is_refused(setting):
    with pytest.raises(ValueError, match="a"):
        spend_limits(setting)

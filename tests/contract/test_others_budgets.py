"""A worker whose settings lack a budget that others have counts what it spends, and says so."""

import pytest
from redis.exceptions import ConnectionError as NoConnection
from structlog.testing import capture_logs

from askonce import Question, QuestionFailed
from askonce.operator.budgets import read_budgets
from askonce.prices.price_file import FilePrices
from askonce_worker.providers import others_budgets
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.others_budgets import COUNT, OthersBudgets
from askonce_worker.providers.spend_limits import SpendLimit
from support.parked_money import kinds, money, towns
from support.wired import wired_workers
from support.worker_process import until

COST = 0.0012
"""Of an answer of 60 tokens, at once."""
QUESTION = Question("q", model="m", namespace="shop", params={"max_tokens": 10})
PRICES = FilePrices({"m": {"input": 0.0, "output": 1.0}})
"""An answer of ten tokens costs 10,000 billionths."""


async def test_who_knows_of_the_budget_sees_what_the_others_spend(bounded):
    knows = bounded(4 * COST) | {"ASKONCE_BULK_TIER": "standard"}
    with capture_logs() as logs:
        async with wired_workers(1, knows) as [one], wired_workers(1, knows | {"ASKONCE_BUDGETS": ""}) as [other]:
            assert kinds(await one.ask(*towns(1))) == ["llm"]
            assert kinds(await other.ask(*towns(2, start=1)) + await other.ask(*towns(1, start=3))) == ["llm"] * 3

            async def all_counted():
                return await money(one) == (pytest.approx(4 * COST), 0)

            await until(all_counted, seconds=60, what="what the other one has spent")
            with pytest.raises(QuestionFailed, match="the budget of default for this day"):
                await one.ask(*towns(1, start=4))
    told = [entry for entry in logs if entry["event"] == "budget.of_others"]
    assert [entry["namespace"] for entry in told] == ["default"]


@pytest.fixture
def ended(redis, keys):
    """Makes the day of all budgets end."""

    async def end():
        await redis.hset(keys.budgets.sums, "shop|ends", 1)

    return end


@pytest.fixture
async def budgets(redis, keys):
    """Makes the money of a worker that knows of a budget, or of none."""
    made = []

    def make(*, knows):
        limits = {"shop": SpendLimit(10**6, "day")} if knows else {}
        others = OthersBudgets(redis, keys)
        made.append(MoneyBudget(redis, keys, worker="w", limits=limits, prices=PRICES, others=others))
        return made[-1], others

    yield make
    for each in made:
        await each.aclose()


async def spend(of, cost):
    async with of.call(QUESTION, 4, 60, 10.0**9) as aside:
        aside.cost = cost


async def spent(redis, keys):
    states = read_budgets(await redis.hgetall(keys.budgets.sums), now=int((await redis.time())[0]))
    return [round(each.spent * 10**9) for each in states]


async def test_what_has_no_budget_or_had_one_yesterday_is_not_counted(budgets, ended, redis, keys):
    free, others = budgets(knows=False)
    await spend(free, 5)
    await others.aclose()
    assert not await redis.exists(keys.budgets.sums)
    bound, _ = budgets(knows=True)
    await spend(bound, 7)
    await bound.aclose()
    await ended()
    free, others = budgets(knows=False)
    await spend(free, 11)
    await others.aclose()
    assert await spent(redis, keys) == [], "nobody has a budget today"
    await spend(bound, 13)
    await bound.aclose()
    assert await spent(redis, keys) == [13]


async def test_who_knows_of_the_budget_says_that_it_is_nearly_spent_though_others_spent_it(budgets, redis, keys):
    bound, _ = budgets(knows=True)
    await spend(bound, 700_000)
    await bound.aclose()
    free, others = budgets(knows=False)
    await spend(free, 150_000)
    await others.aclose()
    with capture_logs() as logs:
        for _ in range(2):
            await spend(bound, 1)
            await bound.aclose()
    assert await spent(redis, keys) == [850_002]
    assert [entry["event"] for entry in logs] == ["budget.nearly_spent"]


async def test_a_call_whose_cost_nobody_knows_counts_as_it_was_estimated(budgets, redis, keys):
    bound, _ = budgets(knows=True)
    await spend(bound, 7)
    await bound.aclose()
    free, others = budgets(knows=False)
    with pytest.raises(TimeoutError):
        async with free.call(QUESTION, 4, 60, 10.0**9):
            raise TimeoutError
    await others.aclose()
    assert await spent(redis, keys) == [10_007]


async def test_a_redis_that_is_away_gets_it_later(budgets, redis, keys, monkeypatch):
    bound, _ = budgets(knows=True)
    await spend(bound, 7)
    await bound.aclose()
    tries = []

    async def count(*arguments):
        tries.append(arguments)
        if len(tries) < 3:
            raise NoConnection
        return await COUNT(*arguments)

    monkeypatch.setattr(others_budgets, "COUNT", count)
    monkeypatch.setattr(others_budgets, "PAUSE", 0.01)
    free, _ = budgets(knows=False)
    await spend(free, 11)
    await spend(free, 13)

    async def is_counted():
        return await spent(redis, keys) == [31]

    await until(is_counted, seconds=60, what="what was spent meanwhile")

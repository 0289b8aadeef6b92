"""A call waits for money without a turn at the LLM, and what it has not used goes back."""

import asyncio

import orjson
import pytest

from askonce import Question
from askonce.operator.budgets import read_budgets
from askonce.payer import Payer
from askonce.prices.price_file import FilePrices
from askonce_worker.answering.llm_turns import Turn
from askonce_worker.providers.money_budget import MoneyBudget
from askonce_worker.providers.spend_limits import SpendLimit
from support.asking import MODEL
from support.inflight import alive
from support.wired import wired_workers
from support.worker_process import until

PRICES = {MODEL: {"input": 0.0, "output": 10.0}}
BUDGETS = "default=0.0015/day"
QUESTION = Question("How far is it? [g1]", params={"max_tokens": 100})
"""It may cost 0.001."""


@pytest.fixture
def settings(settings, tmp_path):
    (tmp_path / "prices.json").write_bytes(orjson.dumps({"models": PRICES}))
    return settings | {
        "ASKONCE_LLM_CONCURRENCY": "1",
        "ASKONCE_BUDGETS": BUDGETS,
        "ASKONCE_PRICES": str(tmp_path / "prices.json"),
    }


async def money(worker):
    found = await worker.redis.hgetall(worker.keys.budgets.sums)
    [state] = read_budgets(found, now=int((await worker.redis.time())[0]))
    return state.spent, state.held


@pytest.mark.parametrize("payer", [None, Payer("poor", 1_500_000, "day")])
async def test_who_waits_for_money_keeps_no_turn_from_others(settings, llm_server, monkeypatch, payer):
    account = "default" if payer is None else "key:poor"
    real, refused = MoneyBudget.take, asyncio.Event()

    async def take(self, question, seconds, **options):
        wait = await real(self, question, seconds, **options)
        if wait:
            refused.set()
        return wait

    monkeypatch.setattr(MoneyBudget, "take", take)
    await llm_server.control(chat={"completion_tokens": 50})
    async with wired_workers(1, settings if payer is None else settings | {"ASKONCE_BUDGETS": ""}) as [worker]:
        for name in ("another", "worker-0"):
            await alive(worker.redis, worker.keys, name, seconds=600)
        limits, prices = {account: SpendLimit(1_500_000, "day")}, FilePrices(PRICES)
        other = MoneyBudget(worker.redis, worker.keys, worker="another", limits=limits, prices=prices)
        aside = await other.reserve(account, 1_000_000, 60, asyncio.get_running_loop().time() + 30)
        waiting = asyncio.create_task(worker.ask(QUESTION.with_fields(payer=payer)))
        await asyncio.wait_for(refused.wait(), 60)
        free = await worker.client.submit(Question("And who? [g2]", namespace="free"))
        await asyncio.wait_for(worker.run_next(), 60)
        answer = await worker.client.result(free, timeout=0, namespace="free")
        assert (answer.source, waiting.done()) == ("llm", False)
        aside.cost = 0
        other.settle(aside)
        [answer] = await asyncio.wait_for(waiting, 60)
        assert answer.source == "llm"
        await other.aclose()


async def test_who_tries_again_and_waits_for_money_keeps_no_turn_from_others(settings, llm_server, monkeypatch):
    """Another worker has taken the rest of the budget between the two tries."""
    real, asides = Turn.again, []
    await llm_server.control(chat={"completion_tokens": 50})
    await llm_server.fail("chat", "status", status=500, times=1)
    async with wired_workers(1, settings) as [worker]:
        for name in ("another", "worker-0"):
            await alive(worker.redis, worker.keys, name, seconds=600)
        limits, prices = {"default": SpendLimit(1_500_000, "day")}, FilePrices(PRICES)
        other = MoneyBudget(worker.redis, worker.keys, worker="another", limits=limits, prices=prices)

        async def again(self):
            asides.append(await other.reserve("default", 1_000_000, 60, asyncio.get_running_loop().time() + 30))
            await real(self)

        monkeypatch.setattr(Turn, "again", again)
        waiting = asyncio.create_task(worker.ask(QUESTION))
        await until(lambda: in_hand(asides), what="the second try")
        free = await worker.client.submit(Question("And who? [g2]", namespace="free"))
        await asyncio.wait_for(worker.run_next(), 60)
        answer = await worker.client.result(free, timeout=0, namespace="free")
        assert (answer.source, waiting.done()) == ("llm", False)
        asides[0].cost = 0
        other.settle(asides[0])
        [answer] = await asyncio.wait_for(waiting, 60)
        assert answer.source == "llm"
        await other.aclose()
    assert await money_after(settings) == (0.0005, 0)


async def in_hand(asides):
    return bool(asides)


async def test_who_joins_another_one_gives_his_money_back(settings, llm_server):
    await llm_server.control(chat={"completion_tokens": 50, "latency_ms": 300})
    async with wired_workers(1, settings | {"ASKONCE_BUDGETS": "default=1/day", "ASKONCE_LLM_CONCURRENCY": "8"}) as [
        worker
    ]:
        found = await worker.ask(
            *[QUESTION.with_fields(text=f"{word} {QUESTION.text}") for word in ("so", "well,", "ok,")]
        )
        assert sorted(answer.source for answer in found) == ["inflight", "inflight", "llm"]
    assert await money_after(settings) == (0.0005, 0)


async def money_after(settings):
    async with wired_workers(1, settings) as [worker]:
        return await money(worker)

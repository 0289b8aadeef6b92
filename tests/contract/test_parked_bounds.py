"""Batches keep to a budget, whatever their answers cost, and leave some of it to those who wait for no batch."""

import pytest

from askonce import Question, QuestionFailed
from askonce_worker.parked.request_file import until_midnight
from support.parked_money import COSTS, MAY, POOL, bill, kinds, money, towns
from support.parking import answers, distinct, in_place, nothing_left, park, running
from support.wired import wired_workers


async def test_batches_leave_some_of_a_budget_to_those_who_ask_at_once(bounded, llm_server):
    """An answer at the standard price may cost 0.002."""
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, bounded(12 * MAY)) as [worker]:
        await park(worker, *towns(20))
        await running(worker)
        assert await money(worker) == (0, pytest.approx(9 * MAY))
        [answer] = await worker.ask(Question("Quick?", params={"max_tokens": 100}))
        assert answer.source == "llm"
        with pytest.raises(QuestionFailed, match="budget: batches hold the remainder of the budget of default"):
            await worker.ask(Question("And then?", params={"max_tokens": 100}))


async def test_one_file_of_long_answers_does_not_pass_the_budget(bounded, llm_server):
    """Nothing bounds them, and they are eight times as long as is guessed of a model that nobody has asked yet."""
    await llm_server.control(chat={"completion_tokens": 4000})
    async with wired_workers(1, bounded(0.5)) as [worker]:
        found = kinds(await answers(worker, await park(worker, *distinct(30))))
        await nothing_left(worker)
        assert {"llm", "budget"} == set(found)
        assert await bill(llm_server) <= 0.5
    async with wired_workers(1, bounded(2)) as [worker]:
        await llm_server.control(batches={"seconds": 3600})
        await park(worker, *distinct(4, start=100))
        await running(worker)
        assert (await money(worker))[1] == pytest.approx(4 * 0.04), "another worker has learnt it"


async def test_a_second_batch_does_not_guess_while_the_first_runs(bounded, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, bounded(0.1)) as [worker]:
        await park(worker, *distinct(5))
        await running(worker)
        await in_place(worker, POOL, 3)
        held = (await money(worker))[1]
        await park(worker, *towns(1, start=50))
        await running(worker, 2)
        await in_place(worker, POOL, 3)
        assert (await money(worker))[1] == pytest.approx(held + MAY)


@pytest.mark.parametrize("before, after", [(False, True), (True, False)])
async def test_a_batch_counts_although_a_worker_knew_of_no_budget_when_it_was_sent(bounded, llm_server, before, after):
    """Or when it was settled, where others know of one."""
    known = bounded(1)
    free = known | {"ASKONCE_BUDGETS": ""}
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, known if before else free) as [worker]:
        ids = await park(worker, *towns(3))
        await running(worker)
    async with wired_workers(1, known if after else free) as [worker]:
        await llm_server.control(batches={"finish": True})
        assert kinds(await answers(worker, ids)) == ["llm"] * 3
        await nothing_left(worker)
        assert await money(worker) == (pytest.approx(3 * COSTS), 0)


def test_a_pause_for_money_ends_with_the_day():
    day = 86_400_000
    assert until_midnight(5 * day - 1000, 5 * day + 60_000) == 5 * day
    assert until_midnight(5 * day - 90_000, 5 * day - 30_000) == 5 * day - 30_000

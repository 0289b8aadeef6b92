"""Questions are gathered by pools; no name of a model makes one of another, and no fault of one is the others'."""

import pytest

from askonce import Question
from askonce_worker.parked.batches import Batches
from askonce_worker.parked.records import is_bounded, model_of, pool_of
from support.asking import MODEL
from support.parking import answers, distinct, nothing_left, park
from support.wired import wired_workers


@pytest.mark.parametrize("model", ["m", "|x", "||x", "|shop|other", "a|b", "|"])
def test_a_pool_says_which_model_it_is_of_and_whether_a_budget_bounds_it(model):
    pools = [pool_of(Question("q", model=model, namespace=name), {"shop"}) for name in ("shop", "free")]
    assert [model_of(pool) for pool in pools] == [model, model]
    assert [is_bounded(pool) for pool in pools] == [True, False]


async def test_a_strange_name_of_a_model_keeps_no_other_out_of_a_batch(batch_worker, llm_server):
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, Question("What is a?", model="|x"), *distinct(1))
        assert {answer.source for answer in await answers(worker, ids)} == {"llm"}
        await nothing_left(worker)


async def test_a_pool_that_fails_keeps_no_other_waiting(batch_worker, llm_server, monkeypatch):
    real = Batches.limit

    async def limit(self, pool):
        if pool == "a":
            raise IndexError
        return await real(self, pool)

    monkeypatch.setattr(Batches, "limit", limit)
    async with wired_workers(1, batch_worker) as [worker]:
        await park(worker, Question("What is a?", model="a"))
        [answer] = await answers(worker, await park(worker, Question("What is b?", model=MODEL)))
        assert answer.source == "llm"

"""Parked questions under the rules of a hit, and none that keeps others waiting."""

import asyncio

import pytest

from askonce import Question
from askonce_worker.answering.serving import FirstMatch
from askonce_worker.matching.match import Matcher
from askonce_worker.parked import collecting, sweeping
from askonce_worker.parked.sorting import Sorting
from askonce_worker.parked.sweeping import Sweeping
from askonce_worker.parked.twins import Twins
from support.asking import MODEL
from support.parking import (
    answers,
    distinct,
    in_place,
    nothing_left,
    park,
    running,
    seen,
    taking,
)
from support.wired import wired_workers
from support.worker_process import until

WAITS = {"ASKONCE_BATCH_WAIT": "1.5"}


@pytest.mark.parametrize("strict", [{"semantic": False}, {"threshold": 0.9999999}])
async def test_a_strict_question_is_not_served_by_similarity_with_a_loose_one(batch_worker, llm_server, strict):
    near = "please How far is town 0? [g0]"
    async with wired_workers(1, batch_worker | WAITS) as [worker]:
        await park(worker, *distinct(1))
        await in_place(worker, f"ready:{MODEL}", 1)
        found = await answers(worker, await park(worker, Question(near), Question(near, **strict)))
    assert [answer.text for answer in found] == [f"answer to: {near}"] * 2
    assert all(answer.matched_question in (None, near) for answer in found)


async def test_what_is_not_kept_joins_no_batch_of_an_earlier_one(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker | {"ASKONCE_NEVER_CACHE": "today"}) as [worker]:
        question = Question("What is the weather today? [g1]")
        one = await park(worker, question)
        await running(worker)
        two = await park(worker, question)
        await running(worker, 2)
        await llm_server.control(batches={"finish": True})
        found = await answers(worker, [*one, *two])
    assert [answer.source for answer in found] == ["llm", "llm"]


async def test_a_match_that_was_reported_meanwhile_is_not_served(batch_worker, llm_server, monkeypatch):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        first = await park(worker, *distinct(1))
        await running(worker)
        near = await park(worker, Question("please How far is town 0? [g0]"))
        await in_place(worker, "new", 0)
        monkeypatch.setattr(Matcher, "matches", lambda *_: False)
        await llm_server.control(batches={"finish": True})
        async with taking(worker):
            found = await answers(worker, [*first, *near])
    assert [answer.text for answer in found] == [
        "answer to: How far is town 0? [g0]",
        "answer to: please How far is town 0? [g0]",
    ]


async def test_an_answer_that_was_not_to_be_kept_is_not_kept_for_nobody(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, distinct(1)[0].with_fields(cache="bypass"))
        await running(worker)
        await worker.client.cancel(ids)
        await llm_server.control(batches={"finish": True})
        await nothing_left(worker)
        assert await worker.client.lookup(distinct(1)[0]) is None


async def test_parked_questions_join_under_the_rule_for_joining(batch_worker, llm_server, monkeypatch):
    monkeypatch.setattr(FirstMatch, "joins", lambda *_: 1.01)
    async with wired_workers(1, batch_worker | WAITS) as [worker]:
        ids = await park(worker, *distinct(1))
        await in_place(worker, f"ready:{MODEL}", 1)
        found = await answers(worker, [*ids, *await park(worker, Question("please How far is town 0? [g0]"))])
    assert [answer.source for answer in found] == ["llm", "llm"]


async def test_who_joins_a_batch_that_runs_does_not_have_it_cancelled(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(5), Question("please How far is town 7? [g7]"))
        await running(worker)
        late = await park(worker, *distinct(1), *distinct(1, 7), timeout=6)
        async with taking(worker):
            found = await answers(worker, late)
        assert [answer.status for answer in found] == ["answered", "answered"]
        await llm_server.control(batches={"finish": True})
        await answers(worker, ids)
        await nothing_left(worker)
    batches, calls = await seen(llm_server)
    assert (calls, [each["status"] for each in batches["batches"]]) == (2, ["completed"])


async def test_sorting_and_settling_leave_time_for_the_rest(batch_worker, llm_server, monkeypatch):
    """Sorting says that there is always more; a round settles one group of lines."""
    real = Sorting.step

    async def step(self):
        await real(self)
        return True

    monkeypatch.setattr(Sorting, "step", step)
    monkeypatch.setattr("askonce_worker.parked.tending.SORTING", 0.0)
    monkeypatch.setattr(collecting, "SETTLING", 0.0)
    monkeypatch.setattr(collecting, "AT_ONCE", 2)
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, *distinct(7)))
        await nothing_left(worker)
    batches, _ = await seen(llm_server)
    assert batches["billed"] == 7
    assert batches["requests"]["content"] > 1


async def test_all_that_are_due_leave_in_one_round(batch_worker, llm_server, monkeypatch):
    monkeypatch.setattr(sweeping, "AT_ONCE", 3)
    real, left, turn = Sweeping.leave_in_time, [], asyncio.Lock()
    async with wired_workers(1, batch_worker | {"ASKONCE_BATCH_WAIT": "600"}) as [worker]:
        ready = worker.keys.parked(f"ready:{MODEL}")

        async def leave(self, batches):
            async with turn:
                before = await worker.redis.zcount(ready, 0, 1)
                await real(self, batches)
                left.append((before, await worker.redis.zcount(ready, 0, 1)))

        monkeypatch.setattr(Sweeping, "leave_in_time", leave)
        ids = await park(worker, *distinct(10))
        await in_place(worker, f"ready:{MODEL}", 10)
        async with turn:  # a round sees all of them due, or none
            await worker.redis.zadd(ready, dict.fromkeys(await worker.redis.zrange(ready, 0, -1), 1))
        async with taking(worker):
            found = await answers(worker, ids)
    assert {answer.source for answer in found} == {"llm"}
    assert (10, 0) in left


async def test_a_refusal_is_told_without_the_providers_words(batch_worker, llm_server, capfd):
    await llm_server.control(batches={"refuses": "town 1?"})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(2))
        async with taking(worker):
            await answers(worker, ids)
        await nothing_left(worker)
        names = await worker.redis.zrange(worker.keys.parked("ended"), 0, -1)
        reasons = [await worker.redis.hget(worker.keys.parked(f"batch:{name.decode()}"), "reason") for name in names]
    assert any(reason and reason.startswith(b"invalid_request in line") for reason in reasons)
    assert "a line is not as it should be" not in "".join(capfd.readouterr())


async def test_a_spent_budget_at_the_provider_splits_no_file(batch_worker, llm_server):
    fault = {"step": "create", "status": 400, "code": "billing_hard_limit_reached", "times": 2}
    await llm_server.control(batches={"steps": [{**fault, "message": "Billing hard limit has been reached"}]})
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, *distinct(4)))
    batches, _ = await seen(llm_server)
    assert [each["lines"] for each in batches["batches"]] == [4]


async def test_each_who_waits_has_a_vector_of_his_own(batch_worker, llm_server, monkeypatch):
    """One of the same words that is asked anew goes; the vector of the other one stays."""
    forgotten, twins = [], []
    real, stored = Twins.forget, Twins.store

    async def forget(self, parked):
        forgotten.extend(each.id for each in parked)
        await real(self, parked)

    async def store(self, items, now_ms):
        twins.append(self)
        return await stored(self, items, now_ms)

    monkeypatch.setattr(Twins, "forget", forget)
    monkeypatch.setattr(Twins, "store", store)
    async with wired_workers(1, batch_worker | {"ASKONCE_BATCH_WAIT": "600"}) as [worker]:
        await park(worker, *distinct(1))
        [anew] = await park(worker, distinct(1)[0].with_fields(cache="refresh"))
        await in_place(worker, f"ready:{MODEL}", 2)
        await worker.client.cancel([anew])
        await in_place(worker, f"ready:{MODEL}", 1)

        async def is_forgotten():
            return forgotten

        await until(is_forgotten, what="a twin to be forgotten")
        [left] = await worker.redis.zrange(worker.keys.parked(f"ready:{MODEL}"), 0, -1)
        names = await twins[0]._vectors.read([f"{left.decode()}{'A' * 21}"])
    assert len(names) == 1


async def test_a_short_ttl_joins_no_question_that_has_waited_longer(batch_worker, llm_server):
    """Neither in the same words nor in others; one that was asked just before is joined."""
    town, near = distinct(1)[0], Question("please How far is town 0? [g0]")
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, town, town.with_fields(ttl=1), town.with_fields(ttl=3600))
        await in_place(worker, "new", 0)
        await asyncio.sleep(1.1)  # the time to live
        ids += await park(worker, *[each.with_fields(ttl=ttl) for each in (town, near) for ttl in (1, 3600)])
        await in_place(worker, "new", 0)
        await running(worker, 2)
        await llm_server.control(batches={"finish": True, "seconds": 0})
        await answers(worker, ids)
    batches, _ = await seen(llm_server)
    assert batches["billed"] == 4

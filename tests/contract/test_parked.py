"""Questions that wait for a provider's batch: who joins, who does not wait, and what becomes of them meanwhile."""

import asyncio

import orjson
import pytest

from askonce import Client, Question, QuestionFailed
from support.asking import MODEL, until_asked
from support.batch_runs import batch as run_batch
from support.batch_runs import write
from support.parking import (
    answers,
    distinct,
    hasten,
    in_place,
    lines_of_batches,
    nothing_left,
    park,
    running,
    seen,
    taking,
)
from support.wired import wired_workers

WAITS = {"ASKONCE_BATCH_WAIT": "600"}


async def test_each_distinct_question_is_in_a_batch_once_and_everybody_is_answered(batch_worker, llm_server):
    async with wired_workers(2, batch_worker) as [one, other]:
        questions = distinct(12)
        same = [question.with_fields(metadata={"n": n}) for n, question in enumerate(questions[:6])]
        reworded = [Question(f"please {question.text}") for question in questions[3:9]]
        ids = [*await park(one, *questions, *same), *await park(other, *reworded)]
        found = await answers(one, ids)
        batches, calls = await seen(llm_server)
        assert calls == 0
        assert batches["billed"] == len(batches["texts"]) == 12
        assert sorted(answer.source for answer in found).count("llm") == 12
        for question, answer in zip([*questions, *same], found, strict=False):
            assert answer.text == f"answer to: {question.text}" or answer.text == f"answer to: please {question.text}"
            assert answer.metadata == question.metadata
        assert {answer.source for answer in found[18:]} <= {"inflight", "semantic", "llm"}
        await nothing_left(one)
        assert (await seen(llm_server))[0]["files"] == [], "prompts and answers do not stay at the provider"
        [again] = await one.ask(questions[0].text)
        assert again.source == "exact"


async def test_what_comes_later_joins_a_batch_that_runs(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        first = await park(worker, *distinct(2))
        [name] = await running(worker)
        same = await park(worker, *distinct(2), Question("please How far is town 1? [g1]"))
        await in_place(worker, "new", 0)
        assert await lines_of_batches(worker) == {name.decode(): 2}
        await llm_server.control(batches={"finish": True})
        found = await answers(worker, [*first, *same])
    assert [answer.source for answer in found] == ["llm", "llm", "inflight", "inflight", "inflight"]
    assert found[4].matched_question == "How far is town 1? [g1]"
    batches, calls = await seen(llm_server)
    assert (calls, set(batches["texts"].values())) == (0, {1})


async def test_an_invalidation_parts_those_before_it_from_those_after_it(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 1.5})
    async with wired_workers(1, batch_worker) as [worker]:
        [before] = await park(worker, *distinct(1))
        await running(worker)
        async with Client(batch_worker["ASKONCE_REDIS_URL"], key_prefix=worker.keys.prefix, model=MODEL) as client:
            await client.invalidate(all=True)
        [after] = await park(worker, *distinct(1))
        found = await answers(worker, [before, after])
        assert {answer.source for answer in found} == {"llm"}
        assert (await seen(llm_server))[0]["billed"] == 2, "the first answer is not kept, nor joined"


async def test_interactive_questions_do_not_wait_and_their_answers_serve_the_parked(batch_worker, llm_server):
    async with wired_workers(1, batch_worker | WAITS) as [worker]:
        ids = await park(worker, *distinct(2))
        await in_place(worker, f"ready:{MODEL}", 2)
        [answer] = await worker.ask(distinct(1)[0].text)
        assert answer.source == "llm"
        [found] = await answers(worker, ids[:1])
        assert (found.source, found.text) == ("exact", answer.text)
        await in_place(worker, f"ready:{MODEL}", 1)
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (1, 0)


async def test_an_answer_that_comes_first_elsewhere_serves_the_lines_of_a_batch(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(2))
        await running(worker)
        await worker.ask(distinct(1)[0].text)
        [found] = await answers(worker, ids[:1])
        assert found.source == "exact"


async def test_a_cancelled_question_is_in_no_batch(batch_worker, llm_server):
    async with wired_workers(1, batch_worker | {"ASKONCE_BATCH_WAIT": "1.5"}) as [worker]:
        ids = await park(worker, *distinct(3))
        await in_place(worker, f"ready:{MODEL}", 3)
        assert await worker.client.cancel(ids[:1]) == ids[:1]
        found = await answers(worker, ids)
        assert [answer.status for answer in found] == ["failed", "answered", "answered"]
        assert found[0].error.kind == "cancelled"
        await nothing_left(worker)
    batches, _ = await seen(llm_server)
    assert set(batches["texts"]) == {question.text for question in distinct(3)[1:]}


async def test_a_follower_of_a_live_leader_is_not_parked(batch_worker, llm_server):
    async with wired_workers(1, batch_worker) as [worker]:
        await llm_server.control(chat={"latency_ms": 3000})
        asking = asyncio.create_task(worker.ask("How far is town 0? [g0]"))
        await until_asked(llm_server)
        [job] = await park(worker, Question("please How far is town 0? [g0]"))
        [found] = await answers(worker, [job])
        assert found.source in {"inflight", "semantic"}  # a slow machine may look when it has been answered
        await asking
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (1, 0)


async def test_modes_of_the_cache_hold_for_parked_questions(batch_worker, llm_server):
    text = "How far is town 1? [g1]"
    async with wired_workers(1, batch_worker) as [worker]:
        await answers(worker, await park(worker, Question(text)))
        modes = [Question(text, cache=cache) for cache in ("use", "refresh", "bypass", "bypass")]
        found = await answers(worker, await park(worker, *modes))
        assert [answer.source for answer in found] == ["exact", "llm", "llm", "llm"]
        batches, calls = await seen(llm_server)
        assert (calls, batches["texts"][text]) == (0, 4)


async def test_standard_questions_and_those_near_their_deadline_are_asked_at_once(batch_worker, llm_server):
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, Question("one? [g1]", tier="standard"))
        ids += await park(worker, Question("two? [g2]"), timeout=1.9)
        ids += await park(worker, Question("three? [g3]", params={"service_tier": "priority"}))
        assert {answer.source for answer in await answers(worker, ids)} == {"llm"}
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (3, 0)


async def test_a_bound_on_money_holds_over_several_batches(batch_worker, llm_server, files, capsys):
    """An answer costs 0.01 at most, at the standard price, and half of 0.009 in fact."""
    prices = {"input": 0, "output": 10, "batch": {"input": 0, "output": 5}}
    (files / "prices.json").write_bytes(orjson.dumps({"models": {MODEL: prices}}))
    write(files / "in.jsonl", [f"How far is town {n}? [g{n}]" for n in range(20)])
    await llm_server.control(chat={"completion_tokens": 900})
    arguments = ["in.jsonl", "out.jsonl", "--model", MODEL, "--prices", "prices.json", "--json", "--template", "none"]
    arguments += ["--param", "max_tokens=1000", "--tier", "batch"]
    async with wired_workers(1, batch_worker) as [worker], taking(worker):
        assert await asyncio.wait_for(run_batch(worker.client, *arguments, "--max-cost", "0.03"), 60) == 1
    captured = capsys.readouterr()
    found = orjson.loads(captured.out)
    assert (found["lines"], found["failed"], found["tiers"]) == (5, 0, {"batch": 5}), "the next might have cost 0.01"
    assert found["spent"]["cost"] == pytest.approx(5 * 0.0045)
    assert "stopped for --max-cost: 0.0225 USD spent, 15 lines were not asked" in captured.err
    assert "not paid in the tier batch" not in captured.err
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"], batches["completion_tokens"]) == (0, 5, 4500)


async def test_a_job_that_runs_again_parks_nothing_twice(batch_worker, llm_server):
    async with wired_workers(1, batch_worker | WAITS) as [worker]:
        ids = await worker.client.submit_many(distinct(3), lane="bulk")
        [(job, _)] = await worker.redis.zrange(worker.keys.queue("bulk"), 0, -1, withscores=True)
        for _ in range(2):
            await worker.run_next("bulk")
            await worker.redis.zadd(worker.keys.queue("bulk"), {job: 1})
        await in_place(worker, f"ready:{MODEL}", 3)
        fields = [await worker.redis.hkeys(name) async for name in worker.redis.scan_iter(
            worker.keys.parked("question:*"), count=10_000)]  # fmt: skip
        assert sorted(sum(field.startswith(b"w:") for field in each) for each in fields) == [1, 1, 1]
        assert set((await worker.client.status(ids)).values()) == {"queued"}


async def test_what_cannot_be_read_is_left_out_and_harms_no_other(batch_worker, llm_server):
    async with wired_workers(1, batch_worker) as [worker]:
        await worker.redis.hset(worker.keys.parked("question:x"), mapping={"place": "new", "question": b'{"v":9}'})
        await worker.redis.zadd(worker.keys.parked("new"), {"x": 1, "gone": 2})
        await worker.redis.zadd(worker.keys.parked("batches"), {"odd": 1})
        found = await answers(worker, await park(worker, *distinct(2)))
        assert {answer.source for answer in found} == {"llm"}


async def test_a_deadline_passes(batch_worker, llm_server):
    """Its batch is cancelled for it in time; here the provider cancels nothing."""
    await llm_server.control(batches={"seconds": 3600, "cancelling": 3600})
    async with wired_workers(1, batch_worker) as [worker]:
        [late] = await park(worker, *distinct(1))
        [name] = await running(worker)
        await hasten(worker, f"lines:{name.decode()}", seconds=3)
        [found] = await answers(worker, [late])
        assert (found.status, found.error.kind) == ("failed", "expired")
        with pytest.raises(QuestionFailed):
            await worker.client.result(late, timeout=0)

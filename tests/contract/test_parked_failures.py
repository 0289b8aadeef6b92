"""What goes wrong with a provider's batch: nothing is lost, and nothing is paid twice."""

import pytest

from askonce import Question
from askonce_worker.parked import collecting, request_file, sorting
from askonce_worker.parked.sending import Sending
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.sorting import Sorting
from askonce_worker.parked.store import ParkedStore
from support.counting import counters
from support.parking import answers, distinct, dying, nothing_left, paid_once, park, running, seen, taking
from support.wired import wired_workers


async def test_lines_that_fail_are_missing_or_torn(batch_worker, llm_server, monkeypatch):
    monkeypatch.setattr(collecting, "LOST_AFTER", 0.2)
    rules = [
        {"kind": "status", "contains": "town 0?", "status": 400, "message": "no such town"},
        {"kind": "missing", "contains": "town 1?", "times": 1},
        {"kind": "junk", "contains": "town 2?", "times": 1},
        {"kind": "status", "contains": "town 3?", "status": 429, "times": 1},
        {"kind": "length", "contains": "town 4?"},
        {"kind": "refusal", "contains": "town 5?"},
        {"kind": "status", "contains": "town 6?", "status": 500},
    ]
    await llm_server.control(batches={"lines": rules})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(8))
        reworded = [Question("please How far is town 5? [g5]"), Question("please How far is town 0? [g0]")]
        ids += await park(worker, *reworded)
        async with taking(worker):
            found = await answers(worker, ids)
        await nothing_left(worker)
        assert [answer.status for answer in found] == ["failed", *["answered"] * 9]
        assert (found[0].error.kind, found[0].error.status) == ("bad_request", 400)
        assert "no such town" in found[0].error.message
        assert found[5].finish_reason == "stop"
        assert "refusal" in str(found[5].body)
        assert found[8].text == "answer to: please How far is town 5? [g5]", "a refusal is not for other words"
        kept = await worker.client.lookup(distinct(5)[4])
        assert kept is None, "a truncated answer is not kept"
    batches, calls = await seen(llm_server)
    towns = {n: batches["texts"].get(f"How far is town {n}? [g{n}]", 0) for n in range(8)}
    assert towns == {0: 0, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 0, 7: 1}
    assert calls == 3, "the two in other words, and what no batch could answer"


async def test_what_expires_goes_on_in_the_next_batch(batch_worker, llm_server):
    await llm_server.control(batches={"seconds": 3600, "expires": 0.3})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(10))
        await running(worker)
        await llm_server.control(batches={"seconds": 0.0})
        found = await answers(worker, ids)
    assert {answer.source for answer in found} == {"llm"}
    batches = await paid_once(llm_server, 10)
    assert [each["status"] for each in batches["batches"]] == ["expired", "completed"]


async def test_a_batch_is_cancelled_for_a_question_near_its_deadline(batch_worker, llm_server):
    """What is done until then is taken; of the rest that question is asked at once, and the others wait on."""
    await llm_server.control(batches={"seconds": 12})
    async with wired_workers(1, batch_worker | {"ASKONCE_BATCH_WAIT": "1"}) as [worker]:
        ids = await park(worker, *distinct(6))
        [urgent] = await park(worker, Question("Urgent? [g99]"), timeout=6)
        await running(worker, 1)
        await llm_server.control(batches={"seconds": 0.0})
        async with taking(worker):
            found = await answers(worker, [*ids, urgent])
    assert {answer.status for answer in found} == {"answered"}
    batches, calls = await seen(llm_server)
    assert batches["billed"] + calls == 7
    assert batches["batches"][0]["status"] == "cancelled"
    assert calls <= 1


async def test_a_refused_file_is_split_until_the_culprit_is_alone(batch_worker, llm_server):
    await llm_server.control(batches={"refuses": "town 5?"})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(9))
        async with taking(worker):
            found = await answers(worker, ids)
    assert {answer.source for answer in found} == {"llm"}
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (1, 8)
    assert sum(each["status"] == "failed" for each in batches["batches"]) <= 5


async def test_an_upload_that_is_refused_is_split_too(batch_worker, llm_server):
    await llm_server.control(batches={"steps": [{"step": "upload", "status": 413}, {"step": "create", "status": 400}]})
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(8)))
    assert {answer.source for answer in found} == {"llm"}
    await paid_once(llm_server, 8)


async def test_a_limit_of_enqueued_tokens_means_smaller_and_later(batch_worker, llm_server):
    await llm_server.control(batches={"enqueued": 30})  # of 6 tokens each
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(12)))
    assert {answer.source for answer in found} == {"llm"}
    batches = await paid_once(llm_server, 12)
    assert max(each["lines"] for each in batches["batches"] if each["status"] == "completed") <= 5


STEPS = ("upload", "create", "look", "content", "list", "delete")


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 502, "done": True}, {"reset": True, "done": True}, {"status": 429}]
)
async def test_a_provider_that_fails_at_every_step(batch_worker, llm_server, fault):
    """Twice at each; also after the request took effect, and with a list that is behind."""
    steps = [{"step": step, "times": 2, **fault} for step in STEPS]
    await llm_server.control(batches={"steps": steps, "listed_after": 0.4})
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(10)))
        assert {answer.source for answer in found} == {"llm"}
        await nothing_left(worker)
    await paid_once(llm_server, 10)


@pytest.mark.parametrize(("steps", "status"), [(["upload"], 404), (["create", "list"], 405)])
async def test_an_address_without_batches_is_left_at_once_and_for_an_hour(batch_worker, llm_server, steps, status):
    faults = [{"step": step, "status": status, "times": 1000} for step in steps]
    await llm_server.control(batches={"steps": faults})
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(3))
        async with taking(worker):
            found = await answers(worker, ids)
        uploads = (await seen(llm_server))[0]["requests"]["upload"]
        found += await answers(worker, await park(worker, *distinct(1, 3)))
        assert await worker.redis.ttl(worker.keys.parked("none")) > 3000
        await nothing_left(worker)
    assert {answer.source for answer in found} == {"llm"}
    batches, calls = await seen(llm_server)
    assert (calls, batches["requests"]["upload"]) == (4, uploads)


@pytest.mark.parametrize(
    ("part", "method", "when"),
    [
        (Sending, "_running", "before"),
        (Sending, "_create", "before"),
        (Sending, "_upload", "after"),
        (Settling, "_send", "after"),
        (ParkedStore, "done", "before"),
        (ParkedStore, "done", "after"),
        (ParkedStore, "move", "after"),
        (ParkedStore, "gather", "after"),
    ],
)
async def test_a_worker_that_dies_anywhere_is_gone_on_from(monkeypatch, batch_worker, llm_server, part, method, when):
    """The first worker loses its lock at that point, as one that died, and another one goes on."""
    killed = dying(monkeypatch, part, method, when)
    async with wired_workers(2, batch_worker) as [one, other]:
        ids = await park(one, *distinct(6), *distinct(2))
        ids += await park(other, Question("please How far is town 3? [g3]"))
        found = await answers(one, ids)
        assert {answer.status for answer in found} == {"answered"}
        await nothing_left(one)
        assert killed
        total = await counters(one.redis, one.keys)
    batches = await paid_once(llm_server, 6)
    assert len([each for each in batches["batches"] if each["status"] == "completed"]) >= 1
    counted = sum(int(count) for name, count in total.items() if name.startswith(b"calls"))
    assert counted == 6, "each is counted once"


async def test_a_question_that_cannot_be_sorted_or_written_holds_up_no_other(monkeypatch, batch_worker, llm_server):
    sorted_as, answered = Sorting._sort, Settling.answered

    async def sort(self, some):
        if any("town 1?" in parked.question.text for parked in some):
            raise RuntimeError("a fault of ours")
        return await sorted_as(self, some)

    async def answer(self, replies, batch):
        if any("town 2?" in reply.parked.question.text for reply in replies):
            raise RuntimeError("a fault of ours")
        await answered(self, replies, batch)

    monkeypatch.setattr(Sorting, "_sort", sort)
    monkeypatch.setattr(Settling, "answered", answer)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(5))
        async with taking(worker):
            found = await answers(worker, ids)
        await nothing_left(worker)
    assert [answer.status for answer in found] == ["answered", "answered", "failed", "answered", "answered"]
    assert found[2].error.kind == "invalid_response"
    await paid_once(llm_server, 4, calls=1)


async def test_while_qdrant_is_away_sorting_waits_and_then_goes_on_without(
    monkeypatch, batch_worker, llm_server, unused_tcp_port
):
    monkeypatch.setattr(sorting, "PATIENCE", 1.5)
    away = {"ASKONCE_QDRANT_URL": f"http://127.0.0.1:{unused_tcp_port}", "ASKONCE_SEMANTIC_WAIT": "0.2"}
    async with wired_workers(1, batch_worker | away) as [worker]:
        ids = await park(worker, *distinct(3), *distinct(1))
        found = await answers(worker, ids)
        await nothing_left(worker)
    assert {answer.status for answer in found} == {"answered"}
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (0, 3)


async def test_a_file_that_would_be_too_large_is_several(monkeypatch, batch_worker, llm_server):
    monkeypatch.setattr(request_file, "MOST_BYTES", 2000)
    async with wired_workers(1, batch_worker) as [worker]:
        ids = await park(worker, *distinct(30), Question("long? [g99] " + "x" * 5000))
        found = await answers(worker, ids)
        await nothing_left(worker)
    assert {answer.source for answer in found} == {"llm"}
    batches = await paid_once(llm_server, 31)
    assert len(batches["batches"]) >= 4


async def test_replies_that_are_no_answers_are_paid_for_all_the_same_and_counted_once(
    monkeypatch, batch_worker, llm_server
):
    """The worker loses its lock after them, and their file is read again."""
    blocked = {"error": {"code": "content_filter", "message": "blocked"}}
    rules = [
        {"kind": "no_choices", "contains": "town 0?", "times": 1},
        {"kind": "reply", "contains": "town 1?", "reply": blocked},
    ]
    await llm_server.control(batches={"lines": rules})
    killed = dying(monkeypatch, Settling, "wasted", "after", lambda lines, _: lines)
    async with wired_workers(1, batch_worker) as [worker]:
        found = await answers(worker, await park(worker, *distinct(3)))
        await nothing_left(worker)
        total = await worker.redis.hgetall(worker.keys.stats("total"))
    assert killed
    assert [answer.status for answer in found] == ["answered", "failed", "answered"]
    batches, calls = await seen(llm_server)
    assert (calls, batches["billed"]) == (0, 4)
    counted = {
        kind: sum(int(count) for name, count in total.items() if name.startswith(f"{kind}|".encode()))
        for kind in ("calls", "call_errors", "tokens_in", "tokens_out")
    }
    tokens = (batches["prompt_tokens"], batches["completion_tokens"])
    assert counted == dict(zip(counted, (4, 2, *tokens), strict=True))

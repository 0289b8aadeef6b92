"""The judge as a gate: matches below the threshold that it lets serve, what that costs, and when it is left out."""

import asyncio
import json

import pytest

from askonce.contract.audit import decode_label, group_id
from askonce_worker.answering import gate as answering_gate
from askonce_worker.audit.policy import Policy, encode_policy
from support.wired import MODEL, wired_workers
from support.worker_process import until

FIRST = "How tall is the red tower? [g1:0.97]"
OTHER = "What height has the red tower? [g1:0.97]"
THIRD = "What is the red tower's height? [g1:0.97]"
GROUP = group_id("default", MODEL, None)
OPEN = Policy(3, 0.99, 1e-9, gate=0.9)
CHECKED = Policy(3, 0.99, 1.0, gate=0.9)


@pytest.fixture
def settings(settings):
    return {
        **settings,
        "ASKONCE_SIMILARITY_THRESHOLD": "0.99",
        "ASKONCE_ERROR_BUDGET": "0.02",
        "ASKONCE_JUDGE_MODEL": "judge",
        "ASKONCE_JUDGE_GATE": "1",
    }


@pytest.fixture
async def worker(settings):
    async with wired_workers(1, settings) as [worker]:
        await worker.redis.set(worker.keys.audit.policy(GROUP), encode_policy(OPEN))
        yield worker


async def says(llm_server, part, text, **rule):
    reply = {"message": {"role": "assistant", "content": text}}
    await llm_server.fail("chat", "reply", contains=part, reply=reply, **rule)


async def judged(llm_server):
    """What the judge was asked, a list of pairs a call."""
    calls = (await llm_server.stats())["chat"]["requests"]
    texts = [call["body"]["messages"][-1]["content"] for call in calls if call["body"]["model"] == "judge"]
    return [[json.loads(line) for line in text.splitlines()] for text in texts if '"other":' in text]


async def bulk(worker, *texts):
    """The sources of the answers to questions of one chunk in the bulk lane."""
    names = await worker.client.submit_many(texts)
    await worker.run_next("bulk")
    return [(await worker.client.result(name, timeout=0)).source for name in names]


async def sums(worker, names=("asked", "cost", "served", "saved")):
    """What the ledger has of the gate, once it stands there."""

    async def there():
        found = await worker.redis.hgetall(worker.keys.audit.ledger(GROUP))
        return {name: float(found.get(f"3:gate:{name}".encode(), 0)) for name in names}

    return await until(there, what="the ledger")


async def test_a_yes_serves_the_match_and_is_remembered_and_a_no_asks(worker, llm_server):
    await says(llm_server, '"other":', "Y", times=1)
    await says(llm_server, '"other":', "N")
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    assert await bulk(worker, OTHER) == ["semantic"]
    assert await bulk(worker, OTHER) == ["semantic"]
    assert await bulk(worker, THIRD) == ["llm"]
    [[yes], [no]] = await judged(llm_server)
    assert yes == {"question": OTHER, "other": FIRST, "answer": f"answer to: {FIRST}"}
    assert no["question"] == THIRD

    async def counted():
        found = await sums(worker)
        return found if found["served"] == 2 and found["asked"] == 2 else None

    found = await until(counted, what="the sums")
    assert found["cost"] > 0
    assert found["saved"] > 0
    day = (await worker.redis.time())[0] // 86_400
    spent = await worker.redis.hgetall(worker.keys.audit.judge(day))
    assert float(spent[b"cost"]) >= found["cost"] - 1e-9
    assert spent[b"gate"] == b"2"


async def test_who_waits_for_an_answer_does_not_wait_for_the_judge(worker, llm_server):
    await worker.ask(FIRST)
    await worker.vectors_arrived()
    await llm_server.fail("chat", "hang", contains='"other":')
    [answer] = await worker.ask(OTHER)
    assert answer.source == "llm"
    assert await until(lambda: judged(llm_server), what="the judge's turn")


async def test_the_pair_of_an_interactive_question_is_judged_in_the_background(worker, llm_server):
    await says(llm_server, '"other":', "Y")
    await worker.ask(FIRST)
    await worker.vectors_arrived()
    [answer] = await worker.ask(OTHER)
    assert answer.source == "llm"

    async def remembered():
        return await worker.redis.hlen(worker.keys.audit.gate)

    await until(remembered, what="the verdict")
    await worker.client.report_wrong(answer.job_id, drop_entry=True)  # or else it would hit its own answer
    [again] = await worker.ask(OTHER)
    assert (again.source, again.matched_question) == ("semantic", FIRST)
    assert len(await judged(llm_server)) == 1


@pytest.mark.parametrize("how", ["invalidated", "reported", "not"])
async def test_what_was_reported_or_invalidated_is_not_served_by_what_is_remembered(worker, llm_server, how):
    await says(llm_server, '"other":', "Y", times=1)
    await says(llm_server, '"other":', "N")
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    names = await worker.client.submit_many([OTHER])
    await worker.run_next("bulk")
    assert (await worker.client.result(names[0], timeout=0)).source == "semantic"
    if how == "reported":
        await worker.client.report_wrong(names[0])
    elif how == "invalidated":
        await worker.client.invalidate(all=True)
        await bulk(worker, FIRST)
        await worker.vectors_arrived()
    assert await bulk(worker, OTHER) == (["semantic"] if how == "not" else ["llm"])


async def test_what_is_invalidated_while_the_judge_thinks_is_asked(worker, llm_server):
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    await says(llm_server, '"other":', "Y", latency_ms=800)
    asked = asyncio.create_task(bulk(worker, OTHER))
    await until(lambda: judged(llm_server), what="the judge's turn")
    await worker.client.invalidate(all=True)
    assert await asked == ["llm"]


@pytest.mark.parametrize("trouble", ["hang", "status", "junk", "spent"])
async def test_a_judge_who_is_slow_fails_or_may_cost_no_more_costs_no_question(
    worker, llm_server, trouble, monkeypatch
):
    monkeypatch.setattr(answering_gate, "MOST_WAITING", 0.5)
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    if trouble == "spent":
        day = (await worker.redis.time())[0] // 86_400
        await worker.redis.hset(worker.keys.audit.judge(day), "cost", 0.9)
    elif trouble == "junk":
        await says(llm_server, '"other":', "I cannot say.")
    else:
        await llm_server.fail("chat", trouble, contains='"other":', status=500)
    assert await bulk(worker, OTHER) == ["llm"]
    assert await bulk(worker, THIRD) == ["llm"], "it is left alone for a while"
    assert len(await judged(llm_server)) == (0 if trouble == "spent" else 1)


async def test_the_guard_and_the_bound_stand_before_the_judge(worker, llm_server):
    await says(llm_server, '"other":', "Y")
    await worker.redis.set(worker.keys.audit.policy(GROUP), encode_policy(Policy(3, 0.99, 1e-9, gate=0.96)))
    await bulk(worker, FIRST, "Who built the house? [g2:0.95]")
    await worker.vectors_arrived()
    assert await bulk(worker, "How tall is the red tower not? [g1:0.97]") == ["llm"]
    assert await bulk(worker, "Who has built the house? [g2:0.95]") == ["llm"]
    assert await judged(llm_server) == []
    assert await bulk(worker, OTHER) == ["semantic"]


async def test_its_hits_are_checked_and_a_wrong_one_counts_against_it(worker, llm_server):
    await worker.redis.set(worker.keys.audit.policy(GROUP), encode_policy(CHECKED))
    await says(llm_server, '"other":', "Y")
    await says(llm_server, "How tall", "300 m")
    await says(llm_server, "What height", "400 m")
    await says(llm_server, '"a":', "D")
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    assert await bulk(worker, OTHER) == ["llm"]

    async def noted():
        return await worker.redis.xrange(worker.keys.audit.labels)

    [(_, fields)] = await until(noted, what="the label")
    label = decode_label(fields[b"label"])
    assert (label.gate, label.right, label.found, label.weight) == (True, False, "check", 1.0)
    found = await sums(worker, ("wrong", "squares", "served"))
    assert found == {"wrong": 1.0, "squares": 1.0, "served": 0.0}


async def test_many_of_one_chunk_share_calls_and_others_do_not_wait_for_them(worker, llm_server):
    texts = [f"{word} how tall is the red tower? [g1:0.97]" for word in ("please", "kindly", "hello", "hi", "well")]
    await bulk(worker, FIRST)
    await worker.vectors_arrived()
    await says(llm_server, '"other":', "Y" * len(texts))
    assert await bulk(worker, *texts, "Who built the blue house?") == ["semantic"] * len(texts) + ["llm"]
    [pairs] = await judged(llm_server)
    assert [pair["question"] for pair in pairs] == texts

"""The wait for a place at the LLM, and who asks in the end."""

from functools import partialmethod

from askonce_worker.inflight.leaders import View
from support.asking import calls, settings_for
from support.wired import wired_workers


async def test_who_waits_long_for_a_place_still_joins_its_equals(
    monkeypatch, valkey_url, qdrant_url, llm_server, prefix
):
    forgets_at_once = partialmethod(View.__init__, settled_for=0.0)  # as after half a minute
    monkeypatch.setattr(View, "__init__", forgets_at_once)
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {
        "ASKONCE_LLM_CONCURRENCY": "1",
        "ASKONCE_LEASE": "10",
    }
    await llm_server.control(chat={"latency_ms": 30})
    async with wired_workers(1, settings) as [worker]:
        answers = await worker.ask(*(f"question {group}? [g{group}]" for _ in range(2) for group in range(10)))
    assert len(answers) == 20
    assert await calls(llm_server) == 10


async def test_a_reply_that_is_half_nonsense_is_asked_again_and_no_leader_stays_behind(
    valkey_url, qdrant_url, llm_server, prefix
):
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}
    good = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "half"}}
    await llm_server.fail("chat", "reply", reply={"choices": [good, None]}, times=1)
    async with wired_workers(1, settings) as [worker]:
        answers = await worker.ask(*["The same? [g1]"] * 4)
    assert {answer.text for answer in answers} == {"answer to: The same? [g1]"}
    assert await calls(llm_server) == 2


async def test_a_question_that_was_submitted_under_another_fingerprint_is_not_paid_for(
    valkey_url, qdrant_url, llm_server, prefix
):
    async with wired_workers(1, settings_for(valkey_url, qdrant_url, llm_server, prefix)) as [worker]:
        key = worker.keys.result("default", await worker.client.submit("Whose? [g1]"))
        marker = await worker.redis.get(key)
        await worker.redis.set(key, marker.replace(marker[16:59], b"x" * 43))
        await worker.run_next()
        assert b'"deadline"' in await worker.redis.get(key)
    assert await calls(llm_server) == 0

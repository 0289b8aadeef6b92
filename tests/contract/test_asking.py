"""The wait for a place at the LLM, and who asks in the end."""

import asyncio
from collections import Counter
from functools import partialmethod

from askonce_worker.inflight.leaders import View
from support.asking import calls, collected, paraphrases, settings_for, until_asked, until_embedded
from support.wired import wired_workers


async def test_who_waits_long_for_a_place_still_joins_its_equals(
    monkeypatch, valkey_url, qdrant_url, llm_server, prefix
):
    forgets_at_once = partialmethod(View.__init__, settled_for=0.0)  # as after two minutes
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


TRIES = 5
OUTAGE = {"status": 503, "headers": {"retry-after-ms": "10"}}


async def test_after_an_outage_all_who_waited_for_one_answer_make_one_call(valkey_url, qdrant_url, llm_server, prefix):
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}
    await llm_server.control(chat={"latency_ms": 50})
    await llm_server.fail("chat", "status", **OUTAGE, times=3 * TRIES)
    async with wired_workers(2, settings) as [one, other]:
        ids = [await one.client.submit(text) for text in paraphrases("What has the red tower? [g1]", 100)]
        await asyncio.gather(*(worker.run_next() for worker in (one, other) for _ in range(50)))
        sources = Counter(answer.source for answer in await collected(one.client, ids))
    assert (sources[None], sources["llm"]) == (3, 1)
    assert sources["inflight"] + sources["semantic"] == 96  # one that is late finds the answer in the cache
    assert await calls(llm_server) == 3 * TRIES + 1


async def test_an_outage_that_does_not_end_fails_all_after_four_leaders(valkey_url, qdrant_url, llm_server, prefix):
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}
    await llm_server.fail("chat", "status", **OUTAGE)
    async with wired_workers(1, settings) as [worker]:
        ids = await worker.client.submit_many(paraphrases("What has the red tower? [g1]", 30), lane="interactive")
        await worker.run_next()
        answers = await collected(worker.client, ids)
    assert {answer.error.kind for answer in answers} == {"server_error"}
    assert await calls(llm_server) == 4 * TRIES


async def test_a_copy_is_answered_though_the_question_it_stands_beside_is_gone(
    valkey_url, qdrant_url, llm_server, prefix
):
    settings = settings_for(valkey_url, qdrant_url, llm_server, prefix) | {"ASKONCE_LEASE": "10"}
    await llm_server.control(chat={"latency_ms": 300})
    await llm_server.fail("chat", "status", **OUTAGE, times=TRIES)
    async with wired_workers(2, settings) as [one, other]:
        leader = await one.client.submit("What has the red tower? [g1]")
        leading = asyncio.create_task(one.run_next())
        await until_asked(llm_server)
        text = "Please, what has the red tower? [g1]"
        first, copy = await one.client.submit_many([text, text], lane="interactive")
        following = asyncio.create_task(other.run_next())
        await until_embedded(llm_server, text)
        await one.redis.delete(one.keys.result("default", first))
        await asyncio.gather(leading, following)
        failed, answer = await collected(one.client, [leader, copy])
    assert (failed.error.kind, answer.source) == ("server_error", "llm")
    assert await calls(llm_server) == TRIES + 1

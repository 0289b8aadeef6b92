"""Workers that die or freeze, an LLM and embeddings that fail: every question gets its one answer."""

import asyncio
import signal
from collections import Counter

import pytest

from support.asking import (
    Bench,
    answers_to,
    calls,
    client_for,
    collected,
    paraphrases,
    settings_for,
    until_asked,
)
from support.worker_process import until, workers

LEASE = 1.0
IN_TIME = LEASE + 5


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, qdrant_url, llm_server, prefix)


async def a_leader_is_killed_and_its_followers_are_answered_in_time(bench, pool):
    leading, *following = paraphrases("how tall is the red tower? [g1]", 20)
    await bench.llm.fail("chat", "hang", times=1)
    first, leader = await bench.lead(leading, pool)
    ids = await bench.follow(following)
    await leader.kill()
    answers = await collected(bench.client, [first, *ids], seconds=IN_TIME)
    assert Counter(answer.source for answer in answers)["llm"] == 1
    assert len({answer.text for answer in answers}) == 1
    assert await calls(bench.llm) == 2
    return [worker for worker in pool if worker is not leader]


async def a_frozen_leader_changes_nothing_when_it_wakes(bench, pool):
    leading, *following = paraphrases("how deep is the green lake? [g2]", 20)
    await bench.llm.reset()
    await bench.llm.control(chat={"answer": "call {number}", "latency_ms": 500})
    first, leader = await bench.lead(leading, pool)
    ids = await bench.follow(following)
    ended = leader.log.read_text().count("chunk.answered")
    leader.signal(signal.SIGSTOP)
    frozen = asyncio.create_task(asyncio.sleep(2 * LEASE))
    answers = await collected(bench.client, [first, *ids], seconds=IN_TIME)
    assert {answer.text for answer in answers} == {"call 2"}
    published = await bench.results([first, *ids])
    await frozen
    leader.signal(signal.SIGCONT)

    async def is_over():
        """It hears of its loss, or has published before that, in vain: its call had been answered meanwhile."""
        log = leader.log.read_text()
        return "job.lost" in log or log.count("chunk.answered") > ended

    await until(is_over, what="the end of what the frozen worker was doing")
    assert (await bench.client.ask("is anybody awake? [g3]", timeout=60)).text == "call 3"
    assert await bench.results([first, *ids]) == published


async def a_worker_dies_while_it_publishes_and_what_was_answered_stays_and_is_not_paid_again(bench, pool):
    texts = [f"who owns house {number}? [g{number}]" for number in range(100, 300)]
    await bench.llm.reset()
    await bench.llm.control(chat={"answer": "call {number}", "latency_ms": [50, 400]})
    ids = await bench.client.submit_many(texts)
    await bench.until_answered(ids, 40)
    await pool[0].kill()
    published = await bench.results(ids)
    assert 40 <= len(published) < len(ids)
    await collected(
        bench.client, ids, seconds=IN_TIME + 4
    )  # run again in time; then come the calls, one chunk at a time
    now = await bench.results(ids)
    assert {job_id: now[job_id] for job_id in published} == published
    paid = await bench.calls_of(texts)
    assert {paid[text] for job_id, text in zip(ids, texts, strict=True) if job_id in published} == {1}
    assert set(paid.values()) <= {1, 2}


async def test_every_question_is_answered_once_whatever_becomes_of_its_worker(settings, llm_server):
    """Each worker has one job at a time, so that followers are elsewhere than their leader."""
    settings |= {"ASKONCE_CHUNKS": "1"}
    async with (
        client_for(settings) as client,
        Bench(settings, client, llm_server) as bench,
        workers(3, settings) as pool,
    ):
        left = await a_leader_is_killed_and_its_followers_are_answered_in_time(bench, pool)
        await a_frozen_leader_changes_nothing_when_it_wakes(bench, left)
        await a_worker_dies_while_it_publishes_and_what_was_answered_stays_and_is_not_paid_again(bench, left)


GOOD_CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "half"}}


async def the_llm_fails_while_the_embeddings_hang(client, llm_server):
    failures = {
        "rate": {"kind": "status", "status": 429, "retry_after": "1"},
        "server": {"kind": "status", "status": 500},
        "garbled": {"kind": "malformed"},
        "choiceless": {"kind": "no_choices"},
        "halved": {"kind": "reply", "reply": {"choices": [GOOD_CHOICE, None]}},
        "silent": {"kind": "hang"},
    }
    rules = [{**rule, "times": 1, "contains": word} for word, rule in failures.items()]
    await llm_server.control(chat={"failures": rules}, embeddings={"fail": {"kind": "hang"}})
    texts = [f"what is {word}? [g{place}]" for place, word in enumerate(failures)]
    answers = await answers_to(client, texts)
    assert [(answer.source, answer.text) for answer in answers] == [("llm", f"answer to: {text}") for text in texts]
    stats = await llm_server.stats()
    assert stats["chat"]["texts"] == dict.fromkeys(texts, 2)
    assert stats["embeddings"]["calls"] > 0


async def the_embeddings_are_refused_and_equal_questions_still_make_one_call(client, llm_server):
    await llm_server.reset()
    await llm_server.control(embeddings={"fail": {"kind": "status", "status": 503}}, chat={"latency_ms": 500})
    number = 0

    async def refused():
        nonlocal number
        number += 1
        answers = await answers_to(client, [f"who owns house {number}?"] * 10)
        assert {answer.text for answer in answers} == {f"answer to: who owns house {number}?"}
        return (await llm_server.stats(brief=True))["embeddings"]["failed"]

    await until(refused, seconds=90, what="a refused embedding")  # those that hang hold the place until 30 s are over
    assert await calls(llm_server) == number


async def a_leader_fails_and_a_follower_asks_in_its_place(client, llm_server):
    leading, *following = paraphrases("how tall is the red tower? [g9]", 6)
    await llm_server.reset()
    await until_embeddings_are_back(client, llm_server)
    before = await calls(llm_server)
    await llm_server.fail("chat", "status", status=500, retry_after="0.2", times=5, latency_ms=300)
    first = await client.submit(leading)
    await until_asked(llm_server)
    answers = await answers_to(client, following)
    [failed] = await collected(client, [first])
    assert (failed.status, failed.error.kind, failed.error.status) == ("failed", "server_error", 500)
    sources = Counter(answer.source for answer in answers)
    assert sources["llm"] == 1
    assert sources["inflight"] + sources["semantic"] == 4  # one that is late finds the answer in the cache
    assert await calls(llm_server) - before == 6


async def until_embeddings_are_back(client, llm_server):
    number = 0

    async def embedded():
        nonlocal number
        number += 1
        await client.ask(f"is it back? {'x' * number}", timeout=60)
        return (await llm_server.stats(brief=True))["embeddings"]["answered"]

    await until(embedded, seconds=90, what="an embedding")  # a request that hangs ends after 30 s


async def test_whatever_the_llm_and_the_embeddings_answer_every_question_ends(settings, llm_server):
    settings |= {"ASKONCE_LLM_TIMEOUT": "1"}
    async with client_for(settings, chunk_size=1) as client, workers(1, settings):
        await the_llm_fails_while_the_embeddings_hang(client, llm_server)
        await the_embeddings_are_refused_and_equal_questions_still_make_one_call(client, llm_server)
        await a_leader_fails_and_a_follower_asks_in_its_place(client, llm_server)

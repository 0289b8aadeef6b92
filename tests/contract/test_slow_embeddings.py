"""An embedding server that is slow, fails for a moment, or makes nonsense: what the LLM is asked all the same."""

import asyncio

import pytest

from support.asking import calls, collected, paraphrases
from support.counting import counters
from support.wired import wired_workers

TOPICS = [f"What has the tower of {name}? [g{name}]" for name in ("Ulm", "Pisa", "Paris", "London", "Berlin", "Rome")]


async def asked(worker, texts, lane):
    ids = await worker.client.submit_many(texts, lane=lane)
    await asyncio.gather(*(worker.run_next(lane) for _ in range(0, len(texts), 64)))
    return await collected(worker.client, ids)


@pytest.mark.parametrize("lane", ["interactive", "bulk"])
async def test_one_failure_of_the_embedding_server_costs_no_call(settings, llm_server, lane):
    async with wired_workers(1, settings) as [worker]:
        await worker.ask(*TOPICS)
        await worker.vectors_arrived()
        await llm_server.fail("embeddings", "status", status=503, times=1)
        answers = await asked(worker, [f"Please, {topic}" for topic in TOPICS], lane)
    assert {answer.source for answer in answers} == {"semantic"}
    assert await calls(llm_server) == len(TOPICS)


async def test_many_paraphrases_at_a_slow_embedding_server_make_one_call(settings, llm_server):
    await llm_server.control(embeddings={"ms_per_input": 70})
    async with wired_workers(1, settings) as [worker]:
        answers = await asked(worker, paraphrases(TOPICS[0], 100), "bulk")
    assert {answer.unmatched for answer in answers} == {None}
    assert await calls(llm_server) == 1


@pytest.mark.parametrize(("trouble", "reason"), [("status", "embeddings_down"), ("hang", "embeddings_slow")])
async def test_an_answer_that_was_asked_without_matching_says_why_and_is_counted(settings, llm_server, trouble, reason):
    await llm_server.fail("embeddings", trouble, **({"status": 503} if trouble == "status" else {}))
    async with wired_workers(1, settings | {"ASKONCE_SEMANTIC_WAIT": "0.3"}) as [worker]:
        [answer] = await worker.ask(TOPICS[0])
        counts = await counters(worker.redis, worker.keys)
    assert (answer.source, answer.unmatched) == ("llm", reason)
    assert counts[f"unmatched:{reason}|default|test-model".encode()] == b"1"


async def test_a_text_too_long_for_matching_says_so(settings, llm_server):
    async with wired_workers(1, settings | {"ASKONCE_SEMANTIC_MAX_CHARS": "50"}) as [worker]:
        [long, short] = await worker.ask("long " * 20, "short")
    assert (long.unmatched, short.unmatched) == ("too_long", None)


async def test_one_vector_for_all_serves_nobody_the_answer_of_another(settings, llm_server):
    await llm_server.fail("embeddings", "same")
    async with wired_workers(2, settings) as [one, other]:
        await asked(one, TOPICS[:2], "bulk")
        await one.vectors_arrived()
        answers = [*await asked(one, TOPICS[2:4], "bulk"), *await asked(other, TOPICS[4:], "bulk")]
    assert {answer.source for answer in answers} == {"llm"}
    assert answers[0].unmatched == "embeddings_identical"
    assert await calls(llm_server) == len(TOPICS)


async def test_a_change_of_dimension_is_followed(settings, llm_server):
    async with wired_workers(1, settings) as [worker]:
        await worker.ask(TOPICS[0])
        await llm_server.control(embeddings={"dimensions": 256})
        await worker.ask(TOPICS[1])
        await worker.vectors_arrived()
        [answer] = await worker.ask(f"Please, {TOPICS[1]}")
    assert answer.source == "semantic"


async def test_a_paraphrase_that_hit_once_is_not_embedded_again(settings, llm_server):
    async with wired_workers(1, settings) as [worker]:
        await worker.ask(TOPICS[0])
        await worker.vectors_arrived()
        answers = [(await worker.ask(f"Please, {TOPICS[0]}"))[0] for _ in range(5)]
    assert {(answer.source, answer.matched_question) for answer in answers} == {("semantic", TOPICS[0])}
    assert (await llm_server.stats())["embeddings"]["inputs"] == 2

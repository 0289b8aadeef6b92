"""Near-duplicates in flight over real workers: one call each, whatever the leader comes to."""

import asyncio
import random
import signal
from collections import Counter

import pytest

from askonce import Question
from support.asking import (
    Bench,
    answers_to,
    calls,
    client_for,
    collected,
    paraphrases,
    settings_for,
    until_asked,
    until_embedded,
)
from support.worker_process import workers

NOWHERE = "http://127.0.0.1:1"
GROUPS, EACH = 50, 20


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return settings_for(valkey_url, qdrant_url, llm_server, prefix)


def is_right(question, answer):
    """Its own answer, or that of a question which is near enough."""
    if answer.source in ("llm", "exact"):
        return answer.text == f"answer to: {question.text}"
    least = max(0.95, question.threshold or 0)
    return answer.similarity >= least and answer.text == f"answer to: {answer.matched_question}"


def group(number, **fields):
    texts = paraphrases(f"how tall is the red tower? [g{number}]", EACH)
    return [Question(text, **fields) for text in texts]


def shuffled(groups):
    questions = [question for each in groups for question in each]
    random.Random(1).shuffle(questions)
    return questions


async def hundred_paraphrases_make_one_call(client, pool, llm_server):
    await llm_server.control(chat={"latency_ms": 2000})
    texts = paraphrases("which colour has the blue bridge? [g0]", 100)
    async with client(chunk_size=1) as one_by_one:
        answers = await answers_to(one_by_one, texts)
    assert await calls(llm_server) == 1
    sources = Counter(answer.source for answer in answers)
    assert sources["llm"] == 1
    assert sources["inflight"] > 50
    assert all(is_right(Question(text), answer) for text, answer in zip(texts, answers, strict=True))
    for worker in pool:
        assert "chunk.answered" in worker.log.read_text(), "a worker had no part in it"


async def each_group_makes_one_call(client, llm_server, first, *, bulk=False):
    questions = shuffled(group(first + number) for number in range(GROUPS))
    before = await calls(llm_server)
    async with client(chunk_size=8) as several:
        half = len(questions) // 2
        parts = await asyncio.gather(
            answers_to(several, questions[:half], lane="bulk" if bulk else "interactive"),
            answers_to(several, questions[half:]),
        )
    answers = [answer for part in parts for answer in part]
    assert await calls(llm_server) - before == GROUPS
    assert all(is_right(question, answer) for question, answer in zip(questions, answers, strict=True))


async def each_question_has_a_threshold_of_its_own(client, llm_server, first):
    """Any but the last group's is loose enough to join; one question of each of the last joins nobody."""
    thresholds = (None, 0.95, 0.96, 0.97)
    groups = [
        [question.with_fields(threshold=thresholds[at % 4]) for at, question in enumerate(group(first + number))]
        for number in range(GROUPS)
    ]
    strict = [group(first + number)[0].with_fields(threshold=0.999) for number in range(GROUPS // 2)]
    for one, others in zip(strict, groups, strict=False):
        others[0] = one
    questions = shuffled(groups)
    before = await calls(llm_server)
    async with client(chunk_size=8) as several:
        answers = await answers_to(several, questions)
    sources = dict(zip((question.text for question in questions), (answer.source for answer in answers), strict=True))
    assert {sources[question.text] for question in strict} == {"llm"}
    loose = [[sources[q.text] for q in each if q not in strict].count("llm") for each in groups]
    assert loose[len(strict) :] == [1] * (GROUPS - len(strict))
    assert max(loose) == 1
    assert await calls(llm_server) - before == len(strict) + sum(loose)
    assert all(is_right(question, answer) for question, answer in zip(questions, answers, strict=True))


async def test_near_duplicates_over_four_workers_make_one_call(settings, llm_server):
    def client(**options):
        return client_for(settings, **options)

    # A worker that gets no processor for longer than its lease is given up, and what it asks is asked again.
    async with workers(4, {**settings, "ASKONCE_CHUNKS": "25", "ASKONCE_LEASE": "10"}) as pool:
        await hundred_paraphrases_make_one_call(client, pool, llm_server)
        await llm_server.control(chat={"latency_ms": [50, 300]})
        await each_group_makes_one_call(client, llm_server, 100)
        await each_group_makes_one_call(client, llm_server, 200, bulk=True)
        await each_question_has_a_threshold_of_its_own(client, llm_server, 300)


async def test_who_missed_just_before_the_answer_was_stored_joins_it_and_so_does_who_comes_before_its_vector(
    settings, llm_server
):
    """Without Qdrant: whatever is found similar was found in flight."""
    first, second, *later = paraphrases("how deep is the green lake? [g1]", 12)
    narrow = {"ASKONCE_QDRANT_URL": NOWHERE, "ASKONCE_LEASE": "30", "ASKONCE_LLM_CONCURRENCY": "1"}
    async with client_for(settings) as client, workers(2, {**settings, **narrow}) as [busy, free]:
        # Behind a call that takes 4 s the second question waits for a place at the LLM. It has looked into the caches
        # before the first, on the other worker, is even asked.
        free.signal(signal.SIGSTOP)
        await llm_server.fail("chat", "reply", latency_ms=4000, contains="[g2]")
        blocking = await client.submit("who painted the old door? [g2]")
        await until_asked(llm_server)
        waiting = await client.submit(second)
        await until_embedded(llm_server, second)
        busy.signal(signal.SIGSTOP)
        free.signal(signal.SIGCONT)
        assert (await client.ask(first, timeout=60)).source == "llm"
        busy.signal(signal.SIGCONT)
        joined = await client.result(waiting)
        assert (joined.source, joined.text, joined.matched_question) == ("inflight", f"answer to: {first}", first)
        assert (await client.result(blocking)).source == "llm"
        assert await calls(llm_server) == 2

        answers = await answers_to(client, later)
        assert {(answer.source, answer.text) for answer in answers} == {("inflight", f"answer to: {first}")}
        assert await calls(llm_server) == 2


async def truncated_and_empty_answers_are_shared_and_not_kept(client, llm_server):
    for number, kind in enumerate(("length", "empty")):
        leading, *following = paraphrases(f"how old is the stone wall? [g{10 + number}]", 12)
        await llm_server.fail("chat", kind, times=1, latency_ms=2000, contains=f"[g{10 + number}]")
        before = await calls(llm_server)
        first = await client.submit(leading)
        await until_asked(llm_server)
        answers = await answers_to(client, following)
        answers.append(await client.result(first))
        assert Counter(answer.source for answer in answers) == {"inflight": 11, "llm": 1}
        assert len({(answer.text, answer.finish_reason) for answer in answers}) == 1
        assert await calls(llm_server) - before == 1
        assert (await client.ask(leading, timeout=60)).source == "llm"
        assert await calls(llm_server) - before == 2


async def of_a_refusal_the_followers_with_other_texts_ask_side_by_side(client, llm_server):
    leading, *following = paraphrases("how warm is the dark cellar? [g20]", 100)
    await llm_server.reset()
    await llm_server.control(chat={"latency_ms": 1000})
    await llm_server.fail("chat", "refusal", times=1, latency_ms=2500)
    first = await client.submit(leading)
    await until_asked(llm_server)
    answers = await answers_to(client, [leading, *following], seconds=60)
    refused = [await client.result(first), answers[0]]
    assert [answer.body["choices"][0]["message"]["refusal"] for answer in refused] == ["I cannot help with that."] * 2
    assert [answer.source for answer in refused] == ["llm", "inflight"]
    assert [answer.text for answer in answers[1:]] == [f"answer to: {text}" for text in following]
    chat = (await llm_server.stats(brief=True))["chat"]
    assert chat["calls"] == 100
    assert chat["max_in_flight"] > 50, "they asked one after the other"


async def after_an_outage_of_three_leaders_the_fourth_answers_all(client, llm_server):
    texts = paraphrases("how cold is the blue river? [g50]", 100)
    await llm_server.reset()
    await llm_server.control(chat={"latency_ms": 100})
    await llm_server.fail("chat", "status", status=503, headers={"retry-after-ms": "10"}, times=3 * 5)
    answers = await answers_to(client, texts, seconds=60)
    came_from = Counter(answer.source or answer.error.kind for answer in answers)
    assert (came_from["server_error"], came_from["llm"]) == (3, 1)
    assert came_from["inflight"] + came_from["semantic"] == 96
    assert await calls(llm_server) == 3 * 5 + 1


async def the_followers_of_a_leader_that_expires_are_answered(client, llm_server):
    leading, *following = paraphrases("how long is the steep path? [g30]", 12)
    await llm_server.reset()
    await llm_server.fail("chat", "hang", times=1)
    first = await client.submit(leading, timeout=1.5)
    await until_asked(llm_server)
    answers = await answers_to(client, following, seconds=60)
    [expired] = await collected(client, [first])
    assert (expired.status, expired.error.kind) == ("failed", "expired")
    came_from = Counter(answer.source for answer in answers)
    assert came_from["llm"] == 1
    assert came_from["inflight"] + came_from["semantic"] == 10  # a chunk that is late finds the answer in the cache
    assert await calls(llm_server) == 2


async def the_followers_of_a_leader_that_is_cancelled_are_answered(client, llm_server, settings, pool):
    """Its worker is told to stop, and does not wait for it."""
    leading, *following = paraphrases("how loud is the tin bell? [g40]", 12)
    await llm_server.reset()
    await llm_server.fail("chat", "hang", times=1)
    first = await client.submit(leading)
    await until_asked(llm_server)
    ids = await client.submit_many(following, lane="interactive")
    await until_embedded(llm_server, *following)
    async with Bench(settings, client, llm_server) as bench:
        leader = await bench.leading(pool)
    assert await leader.stop() == 0
    answers = await collected(client, [first, *ids], seconds=60)
    assert Counter(answer.source for answer in answers)["llm"] == 1
    assert len({answer.text for answer in answers}) == 1
    assert await calls(llm_server) == 2


async def test_whatever_a_leader_comes_to_its_followers_are_answered(settings, llm_server):
    settings |= {"ASKONCE_GRACE": "0.2"}
    async with client_for(settings, chunk_size=4) as client, workers(2, settings) as pool:
        await truncated_and_empty_answers_are_shared_and_not_kept(client, llm_server)
        await of_a_refusal_the_followers_with_other_texts_ask_side_by_side(client, llm_server)
        await after_an_outage_of_three_leaders_the_fourth_answers_all(client, llm_server)
        await the_followers_of_a_leader_that_expires_are_answered(client, llm_server)
        await the_followers_of_a_leader_that_is_cancelled_are_answered(client, llm_server, settings, pool)

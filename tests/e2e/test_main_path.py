"""The main path with a real worker process: real Valkey, the real Qdrant engine, an LLM server that counts."""

import asyncio
import signal

import pytest
from redis.asyncio import Redis

from askonce import Client, Question, QuestionFailed
from askonce.contract.keys import ARQ_JOB, Keys
from support.asking import patient_settings
from support.worker_process import start_worker, until, workers

MODEL = "test-model"


@pytest.fixture
def settings(valkey_url, qdrant_url, llm_server, prefix):
    return patient_settings(valkey_url, qdrant_url, llm_server, prefix)


@pytest.fixture
async def client(settings):
    async with Client(settings["ASKONCE_REDIS_URL"], key_prefix=settings["ASKONCE_KEY_PREFIX"], model=MODEL) as client:
        yield client


async def vectors_arrived(client, settings):
    redis = Redis.from_url(settings["ASKONCE_REDIS_URL"])
    try:
        await until(lambda: is_empty(redis, Keys(settings["ASKONCE_KEY_PREFIX"]).outbox), what="an empty outbox")
    finally:
        await redis.aclose()


async def is_empty(redis, key):
    return await redis.xlen(key) == 0


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
async def test_each_way_to_an_answer(client, settings, llm_server, endpoint):
    async def ask(text):
        return await client.ask(text, endpoint=endpoint, timeout=60)

    async with workers(1, settings):
        first = await ask("How tall is the red tower? [g1]")
        assert (first.source, first.text) == ("llm", "answer to: How tall is the red tower? [g1]")
        again = await ask("How tall is the red tower? [g1]")
        assert (again.source, again.text) == ("exact", first.text)
        assert again.cached_at is not None
        await vectors_arrived(client, settings)
        other = await ask("What height has the red tower? [g1]")
        assert (other.source, other.text) == ("semantic", first.text)
        assert other.matched_question == "How tall is the red tower? [g1]"
        assert 0.95 <= other.similarity < 1
        stranger = await ask("Who built the blue bridge? [g2]")
        assert stranger.source == "llm"
    assert (await llm_server.stats())[endpoint]["calls"] == 2


async def test_a_chunk_with_equal_questions_costs_one_call(client, settings, llm_server):
    async with workers(1, settings):
        ids = await client.submit_many(["One question? [g3]"] * 50)
        answers = [answer async for answer in client.as_completed(ids, timeout=60)]
    assert {answer.text for answer in answers} == {"answer to: One question? [g3]"}
    assert (await llm_server.stats())["chat"]["calls"] == 1


@pytest.mark.parametrize("cache", ["use", "refresh", "bypass"])
async def test_what_is_submitted_again_beside_new_questions_is_paid_once(client, settings, llm_server, cache):
    """A producer that was killed in the middle does so."""
    await llm_server.control(chat={"latency_ms": 300})
    questions = [Question(f"Thing {cache} {i} [g7{i}]", cache=cache, job_id=f"{cache}-{i}") for i in range(12)]
    async with workers(1, settings):
        for part in (questions[:8], questions[4:], questions):
            await client.submit_many(part)
        ids = [question.job_id for question in questions]
        answers = [answer async for answer in client.as_completed(ids, timeout=60)]
    assert {(answer.status, answer.source) for answer in answers} == {("answered", "llm")}
    assert (await llm_server.stats())["chat"]["calls"] == 12


async def test_a_question_whose_first_job_is_lost_is_asked_by_the_next_one(client, settings, llm_server):
    keys = Keys(settings["ASKONCE_KEY_PREFIX"])
    questions = [Question(f"Lost and found {i} [g8{i}]", job_id=f"lost-{i}") for i in range(2)]
    await client.submit_many(questions[:1])
    async with Redis.from_url(settings["ASKONCE_REDIS_URL"]) as redis:
        [job] = await redis.zrange(keys.queue("bulk"), 0, -1)
        await redis.delete(f"{ARQ_JOB}{job.decode()}")
    await client.submit_many(questions)
    async with workers(1, settings):
        answers = [answer async for answer in client.as_completed(["lost-0", "lost-1"], timeout=60)]
    assert [answer.status for answer in answers] == ["answered"] * 2


async def test_no_answer_crosses_a_scope(client, settings, llm_server):
    text = "What is the limit? [g4]"
    questions = [
        Question(text),
        Question(text, model="other-model"),
        Question(text, system="Answer as a pirate."),
        Question(text, template="In one word: {text}"),
        Question(text, params={"temperature": 0.5}),
        Question(text, history=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]),
        Question(text, namespace="another-tenant"),
        Question(text, params={"response_format": {"type": "json_object"}}),
    ]
    async with workers(1, settings):
        answers = await asyncio.gather(*(client.ask(question, timeout=60) for question in questions))
        assert [answer.source for answer in answers] == ["llm"] * len(questions)
        again = await asyncio.gather(*(client.ask(question, timeout=60) for question in questions))
    assert [answer.source for answer in again] == ["exact"] * len(questions)
    assert [answer.body for answer in again] == [answer.body for answer in answers]


async def test_what_does_not_shape_the_answer_costs_no_hit(client, settings, llm_server):
    async with workers(1, settings):
        await client.ask(Question("Same? [g5]", params={"user": "a", "metadata": {"x": "1"}}), timeout=60)
        again = await client.ask(Question("Same? [g5]", params={"user": "b", "service_tier": "flex"}), timeout=60)
    assert again.source == "exact"


async def test_a_template_filled_with_different_texts_is_no_match(client, settings, llm_server):
    template = "Classify the following message of a customer into one of our seventeen intents: {text}\nIntent:"
    async with workers(1, settings):
        ids = await client.submit_many([Question(f"message [g{i}]", template=template) for i in range(100, 140)])
        answers = {answer.job_id: answer async for answer in client.as_completed(ids, timeout=60)}
    for i, job_id in enumerate(ids):
        assert answers[job_id].text == "answer to: " + template.replace("{text}", f"message [g{i + 100}]")


async def test_truncated_refused_and_empty_answers_are_published_and_not_kept(client, settings, llm_server):
    async with workers(1, settings):
        for kind in ("length", "content_filter", "empty", "refusal"):
            await llm_server.fail("chat", kind, times=1, contains=kind)
            first = await client.ask(f"About {kind} [g-{kind}]", timeout=60)
            assert first.source == "llm"
            second = await client.ask(f"About {kind} [g-{kind}]", timeout=60)
            assert (second.source, second.finish_reason) == ("llm", "stop")


async def test_a_refused_request_fails_that_question_alone(client, settings, llm_server):
    await llm_server.fail("chat", "status", status=400, contains="poison")
    async with workers(1, settings):
        ids = await client.submit_many(["fine [g6]", "poison [g7]", "also fine [g8]"])
        answers = {answer.job_id: answer async for answer in client.as_completed(ids, timeout=60)}
        assert [answers[job_id].status for job_id in ids] == ["answered", "failed", "answered"]
        assert answers[ids[1]].error.kind == "bad_request"
        assert answers[ids[1]].error.status == 400
        with pytest.raises(QuestionFailed):
            await client.result(ids[1])


async def test_refresh_replaces_and_bypass_leaves_no_trace(client, settings, llm_server):
    async with workers(1, settings):
        await llm_server.control(chat={"answer": "{number}: {text}"})
        first = await client.ask("Which? [g9]", timeout=60)
        bypass = await client.ask(Question("Which? [g9]", cache="bypass"), timeout=60)
        assert bypass.text != first.text
        assert (await client.ask("Which? [g9]", timeout=60)).text == first.text
        refreshed = await client.ask(Question("Which? [g9]", cache="refresh"), timeout=60)
        assert refreshed.source == "llm"
        assert (await client.ask("Which? [g9]", timeout=60)).text == refreshed.text


async def test_without_qdrant_and_embeddings_questions_are_answered(client, settings, llm_server):
    await llm_server.control(embeddings={"fail": {"kind": "status", "status": 503}})
    async with workers(1, {**settings, "ASKONCE_QDRANT_URL": "http://127.0.0.1:1"}):
        assert (await client.ask("Still there? [g10]", timeout=60)).source == "llm"
        assert (await client.ask("Still there? [g10]", timeout=60)).source == "exact"


async def test_a_deadline_ends_a_question(client, settings, llm_server):
    await llm_server.control(chat={"latency_ms": 10_000})
    async with workers(1, settings):
        job_id = await client.submit(Question("Too slow? [g11]"), timeout=1)
        with pytest.raises(QuestionFailed) as failure:
            await client.result(job_id, timeout=10)
    assert failure.value.answer.error.kind == "expired"


async def test_after_the_only_worker_was_killed_in_mid_chunk_a_new_one_answers_everything(
    client, settings, llm_server, tmp_path
):
    await llm_server.control(chat={"latency_ms": 300})
    patient = {**settings, "ASKONCE_LLM_CONCURRENCY": "4", "ASKONCE_LEASE": "2"}
    async with workers(1, patient) as [first]:
        ids = await client.submit_many([f"Number {i}? [g{i}]" for i in range(200, 232)])

        async def some_are_answered():
            statuses = await client.status(ids)
            return sum(status == "answered" for status in statuses.values()) >= 4

        await until(some_are_answered, what="the first answers")
        first.signal(signal.SIGKILL)
        await first.process.wait()
    paid_before = (await llm_server.stats())["chat"]["calls"]
    await llm_server.control(chat={"latency_ms": 0})
    second = await start_worker(patient, tmp_path / "second.log")
    try:
        answers = {answer.job_id: answer async for answer in client.as_completed(ids, timeout=30)}
    finally:
        await second.kill()
    assert [answers[job_id].text for job_id in ids] == [f"answer to: Number {i}? [g{i}]" for i in range(200, 232)]
    stats = (await llm_server.stats())["chat"]
    assert stats["calls"] - paid_before <= 32 - 4, "what had been answered was paid again"


async def test_a_worker_that_is_told_to_stop_finishes_what_runs(client, settings, llm_server):
    await llm_server.control(chat={"latency_ms": 500})
    async with workers(1, settings) as [worker]:
        job_id = await client.submit("Last one? [g12]")

        async def is_running():
            return (await client.status([job_id]))[job_id] == "running"

        await until(is_running, what="the job to run")
        assert await worker.stop() == 0
        assert (await client.result(job_id, timeout=0)).text == "answer to: Last one? [g12]"


async def test_a_malformed_job_is_a_dead_letter_and_harms_nobody(client, settings, llm_server):
    keys = Keys(settings["ASKONCE_KEY_PREFIX"])
    redis = Redis.from_url(settings["ASKONCE_REDIS_URL"])
    async with workers(1, settings):
        for name, record in {
            "broken": b'{"t":',
            "stranger": b'{"t":null,"f":"no_such_function","a":[],"k":{},"et":1}',
            "nonsense": b'{"t":null,"f":"answer_chunk","a":[{"v":99}],"k":{},"et":1}',
        }.items():
            await redis.set(f"arq:job:{settings['ASKONCE_KEY_PREFIX']}-{name}", record)
            await redis.zadd(keys.queue("bulk"), {f"{settings['ASKONCE_KEY_PREFIX']}-{name}": 1})
        assert (await client.ask("And now? [g13]", timeout=60)).text == "answer to: And now? [g13]"

        async def three_dead():
            return await redis.hlen(keys.dead) == 3

        await until(three_dead, what="three dead letters")
    await redis.aclose()

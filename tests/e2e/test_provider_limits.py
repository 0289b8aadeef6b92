"""The provider's limits over three real workers, as the LLM server sees them."""

import pytest

from askonce import Client, Question
from support.llm_server import busiest
from support.worker_process import workers

MODEL = "test-model"
MANY, DEAR = "many-requests", "dear-requests"


@pytest.fixture
def settings(valkey_url, llm_server, prefix):
    return {
        "ASKONCE_REDIS_URL": valkey_url,
        "ASKONCE_KEY_PREFIX": prefix,
        "ASKONCE_LLM_CONCURRENCY": "16",
        "OPENAI_BASE_URL": llm_server.base_url,
        "OPENAI_API_KEY": "test",
    }


async def ask_all(settings, questions):
    """In chunks of one, so that every worker has some of them."""
    url, prefix = settings["ASKONCE_REDIS_URL"], settings["ASKONCE_KEY_PREFIX"]
    async with Client(url, key_prefix=prefix, model=MODEL, chunk_size=1) as client:
        ids = await client.submit_many(questions)
        return [answer async for answer in client.as_completed(ids, timeout=60)]


def questions(model, count, max_tokens):
    params = {"max_tokens": max_tokens}
    return [Question(f"Number {n}? [g{n}]", model=model, params=params) for n in range(count)]


async def test_the_limits_hold_over_all_workers(settings, llm_server):
    await llm_server.control(chat={"completion_tokens": 1})
    async with workers(3, {**settings, "ASKONCE_RPM": "1200", "ASKONCE_TPM": "200000"}):
        many = await ask_all(settings, questions(MANY, 130, 1))
        await llm_server.control(chat={"completion_tokens": 600})
        dear = await ask_all(settings, questions(DEAR, 40, 600))
    assert [answer.status for answer in many + dear] == ["answered"] * 170
    requests = (await llm_server.stats())["chat"]["requests"]
    by_model = {model: [item for item in requests if item["body"]["model"] == model] for model in (MANY, DEAR)}
    # Two seconds, and the three that may be used in one go, of 64 that a limit is spread over.
    assert busiest(by_model[MANY], 2.0) <= 5 / 64 * 1200 + 1
    assert busiest(by_model[DEAR], 2.0) <= 5 / 64 * 200_000 / 600 + 1


async def test_a_storm_of_refusals_pauses_all_workers_and_ends_with_all_answered(settings, llm_server):
    refusal = {"kind": "status", "status": 429, "retry_after": "3", "times": 20}
    await llm_server.control(chat={"failures": [refusal], "limit": {"requests": 10, "seconds": 1}, "latency_ms": 20})
    async with workers(3, settings):
        answers = await ask_all(settings, [f"Number {n}? [g{n}]" for n in range(75)])
    assert [answer.status for answer in answers] == ["answered"] * 75
    stats = await llm_server.stats()
    assert stats["chat"]["refused_by_limit"] > 0, "the storm was none"
    assert stats["chat"]["answered"] == 75
    first = stats["chat"]["requests"][0]["at"]
    paused = [request["at"] - first for request in stats["chat"]["requests"] if 1.2 < request["at"] - first < 2.8]
    assert not paused, "somebody did not wait"

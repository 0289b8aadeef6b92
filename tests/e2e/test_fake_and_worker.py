"""The fake of `askonce.testing` answers as a real worker does, where questions meet."""

import asyncio

import pytest

from askonce import Client
from askonce.testing import FakeClient
from support.worker_process import until, workers

MODEL = "test-model"
SECONDS = 0.5


@pytest.fixture(params=["fake", "worker"])
async def asked(request, prefix):
    """A client whose provider takes half a second, and what the provider was asked so far."""
    if request.param == "fake":
        async with FakeClient(slow, model=MODEL) as client:

            async def texts():
                return [question.text for question in client.asked]

            yield client, texts
        return
    llm, url = request.getfixturevalue("own_llm_server"), request.getfixturevalue("valkey_url")
    await llm.control(chat={"latency_ms": SECONDS * 1000})
    settings = {"ASKONCE_REDIS_URL": url, "ASKONCE_KEY_PREFIX": prefix}
    settings |= {"OPENAI_BASE_URL": llm.base_url, "OPENAI_API_KEY": "test"}
    async with workers(1, settings), Client(url, key_prefix=prefix, model=MODEL) as client:

        async def texts():
            return list((await llm.stats())["chat"]["texts"])

        yield client, texts


@pytest.fixture
def client(asked):
    return asked[0]


async def slow(question):
    await asyncio.sleep(SECONDS)
    return f"answer to: {question.text}"


async def test_equal_questions_that_meet_make_one_call(client):
    answers = await asyncio.gather(*(client.ask("q") for _ in range(5)))
    assert sorted(answer.source for answer in answers) == ["inflight"] * 4 + ["llm"]
    joined = next(answer for answer in answers if answer.source == "inflight")
    assert (joined.text, joined.similarity, joined.matched_question) == ("answer to: q", 1.0, "q")
    assert (await client.ask("q")).source == "exact"


async def test_a_bypass_meets_no_other(client):
    answers = await asyncio.gather(*(client.ask("q", cache="bypass") for _ in range(3)))
    assert [answer.source for answer in answers] == ["llm"] * 3


async def test_an_answer_that_was_asked_for_earlier_does_not_replace_a_newer_one(asked):
    client, texts = asked
    asking = asyncio.create_task(client.ask("q"))

    async def under_way():
        return await texts() == ["q"]

    await until(under_way)
    await client.store("q", "by hand")
    assert (await asking).text == "answer to: q"
    assert (await client.lookup("q")).text == "by hand"

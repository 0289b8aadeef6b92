"""The LLM adapter against a real OpenAI-compatible server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from askonce.question import Question
from askonce_worker.providers.llm import OpenAILLM
from support.adapters import KEY, llm_for
from support.llm_server import LLMServer

PROMPT = "How do I read a CSV file in Python?"
QUESTION = Question(PROMPT, model="gpt-4o-mini")


@pytest.fixture
async def llm(llm_server: LLMServer) -> AsyncIterator[OpenAILLM]:
    llm = llm_for(llm_server)
    yield llm
    await llm.close()


async def calls(server: LLMServer) -> int:
    stats = await server.stats()
    return stats["chat"]["texts"].get(PROMPT, 0)


async def test_an_answer_is_the_providers_body(llm: OpenAILLM, llm_server: LLMServer) -> None:
    completion = await llm.complete(QUESTION, timeout=10)
    assert completion.body["choices"][0]["message"]["content"] == f"answer to: {PROMPT}"
    assert completion.body["model"] == "gpt-4o-mini-2024-07-18"
    assert completion.body["usage"]["total_tokens"] > 0
    assert await calls(llm_server) == 1


async def test_the_whole_request_is_sent_unknown_parameters_too(llm: OpenAILLM, llm_server: LLMServer) -> None:
    question = Question(
        "the {text} of a customer",
        model="qwen3",
        system="Classify.",
        template="Message: {text} {braces}",
        history=({"role": "user", "content": "hi", "name": "eve"}, {"role": "assistant", "content": "你好"}),
        params={"temperature": 0, "seed": None, "chat_template_kwargs": {"enable_thinking": False}, "top_k": 20},
    )
    await llm.complete(question, timeout=10)
    [request] = (await llm_server.stats())["chat"]["requests"]
    assert request["body"] == question.request()
    assert request["body"]["messages"][-1]["content"] == "Message: the {text} of a customer {braces}"
    assert request["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("kind", ["length", "content_filter", "empty", "null_content", "refusal", "tool_calls"])
async def test_what_is_well_formed_is_returned_as_it_is(llm: OpenAILLM, llm_server: LLMServer, kind: str) -> None:
    await llm_server.fail("chat", kind)
    choice = (await llm.complete(QUESTION, timeout=10)).body["choices"][0]
    expected: dict[str, Any] = {
        "length": ("length", f"answer to: {PROMPT}"),
        "content_filter": ("content_filter", f"answer to: {PROMPT}"),
        "empty": ("stop", ""),
        "null_content": ("stop", None),
        "refusal": ("stop", None),
        "tool_calls": ("tool_calls", None),
    }
    assert (choice["finish_reason"], choice["message"]["content"]) == expected[kind]
    assert bool(choice["message"].get("refusal")) == (kind == "refusal")
    assert bool(choice["message"].get("tool_calls")) == (kind == "tool_calls")
    assert await calls(llm_server) == 1


async def test_fields_nobody_knows_come_back(llm: OpenAILLM, llm_server: LLMServer) -> None:
    reply = {"message": {"reasoning_content": "hm", "annotations": []}, "provider": {"x": [1, None, 2.5]}}
    await llm_server.fail("chat", "reply", reply=reply)
    body = (await llm.complete(QUESTION, timeout=10)).body
    assert body["choices"][0]["message"]["reasoning_content"] == "hm"
    assert body["provider"] == {"x": [1, None, 2.5]}


async def test_a_cancelled_question_hangs_up(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "hang", contains="CSV")
    asking = asyncio.create_task(llm.complete(QUESTION, timeout=60))
    while await calls(llm_server) == 0:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    other = await llm.complete(Question("another", model="m"), timeout=10)
    assert other.body["choices"][0]["message"]["content"] == "answer to: another"
    while (await llm_server.stats())["chat"]["disconnected"] == 0:
        await asyncio.sleep(0.01)
    assert await calls(llm_server) == 1


async def test_a_question_cancelled_in_a_pause_asks_no_more(llm_server: LLMServer) -> None:
    paused = asyncio.Event()
    llm = llm_for(llm_server, on_retry=lambda kind, pause, model: paused.set())
    await llm_server.fail("chat", "status", status=503, retry_after="30")
    asking = asyncio.create_task(llm.complete(QUESTION, timeout=600))
    await paused.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await calls(llm_server) == 1
    await llm.close()


async def test_many_at_once_share_connections_that_are_kept(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.control(chat={"latency_ms": 20})
    questions = [Question(f"question {number}", model="m") for number in range(200)]
    for start in (0, 100):
        batch = questions[start : start + 100]
        answers = await asyncio.gather(*(llm.complete(question, timeout=30) for question in batch))
        texts = [answer.body["choices"][0]["message"]["content"] for answer in answers]
        assert texts == [f"answer to: {question.text}" for question in batch]
    stats = await llm_server.stats()
    assert stats["chat"]["most_calls_of_a_text"] == 1
    assert stats["connections"] <= 150

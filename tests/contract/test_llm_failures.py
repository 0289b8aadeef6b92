"""The LLM adapter when the provider fails: what becomes of each failure, and how often it asks."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest

from askonce.contract.keys import Keys
from askonce.question import Question
from askonce_worker.answering.ports import LLMError
from askonce_worker.logs.redaction import Redactor
from askonce_worker.providers.completion_reply import read_completion
from askonce_worker.providers.llm import OpenAILLM
from askonce_worker.providers.rate_budget import RateBudget
from support.adapters import KEY, llm_for
from support.llm_server import LLMServer

PROMPT = "How do I read a CSV file in Python?"
QUESTION = Question(PROMPT, model="gpt-4o-mini")


@pytest.fixture
async def llm(llm_server: LLMServer) -> AsyncIterator[OpenAILLM]:
    llm = llm_for(llm_server)
    yield llm
    await llm.close()


async def failure(llm: OpenAILLM, timeout: float = 10.0) -> LLMError:
    with pytest.raises(LLMError) as raised:
        await llm.complete(QUESTION, timeout=timeout)
    return raised.value


async def calls(server: LLMServer) -> int:
    stats = await server.stats()
    return stats["chat"]["texts"].get(PROMPT, 0)


TRANSIENT = [
    ("rate_limit", {"kind": "status", "status": 429, "code": "rate_limit_exceeded", "retry_after": "0"}),
    ("timeout", {"kind": "status", "status": 408}),
    ("bad_request", {"kind": "status", "status": 409}),
    ("server_error", {"kind": "status", "status": 500}),
    ("server_error", {"kind": "status", "status": 503, "headers": {"retry-after-ms": "1"}}),
    ("connection", {"kind": "reset"}),
    ("connection", {"kind": "cut"}),
    ("invalid_response", {"kind": "malformed"}),
    ("invalid_response", {"kind": "no_choices"}),
    ("server_error", {"kind": "reply", "reply": {"choices": None, "error": {"message": "upstream"}}}),
    ("invalid_response", {"kind": "reply", "reply": {"choices": [{"index": 0}]}}),
]
ANSWERED = ("malformed", "no_choices", "reply")


def test_half_an_emoji_spoils_no_answer_that_was_paid_for() -> None:
    raw = rb'{"choices": [{"message": {"content": "cut \ud83d, whole \ud83d\ude00"}}]}'
    body = read_completion(raw, Redactor())
    assert body["choices"][0]["message"]["content"] == "cut ?, whole \U0001f600"


def test_a_byte_order_mark_before_an_answer_is_passed_over() -> None:
    raw = b'\xef\xbb\xbf{"choices": [{"message": {"content": "so"}}]}'
    assert read_completion(raw, Redactor())["choices"][0]["message"]["content"] == "so"


@pytest.mark.parametrize(
    "odd", [{"usage": []}, {"usage": "7"}, {"usage": {"prompt_tokens": "7", "completion_tokens": None}}, {"model": 7}]
)
async def test_an_odd_usage_or_model_loses_no_answer(
    llm: OpenAILLM, llm_server: LLMServer, odd: dict[str, Any]
) -> None:
    await llm_server.fail("chat", "reply", reply=odd)
    body = (await llm.complete(QUESTION, timeout=10.0)).body
    assert body["choices"][0]["message"]["content"] == f"answer to: {PROMPT}"
    budget = RateBudget(None, Keys("unused"), provider="p", rpm=0, tpm=0)  # type: ignore[arg-type]
    assert budget.learn("m", body.get("usage")) in (None, body.get("usage", {}).get("total_tokens"))
    assert await calls(llm_server) == 1


@pytest.mark.parametrize(("kind", "rule"), TRANSIENT)
async def test_a_passing_failure_is_asked_again(
    llm: OpenAILLM, llm_server: LLMServer, kind: str, rule: dict[str, Any]
) -> None:
    await llm_server.control(chat={"failures": [{**rule, "times": 2}]})
    completion = await llm.complete(QUESTION, timeout=10)
    assert completion.body["choices"][0]["message"]["content"] == f"answer to: {PROMPT}"
    assert await calls(llm_server) == 3


@pytest.mark.parametrize(("kind", "rule"), TRANSIENT)
async def test_after_five_tries_it_fails_with_its_cause(
    llm: OpenAILLM, llm_server: LLMServer, kind: str, rule: dict[str, Any]
) -> None:
    await llm_server.control(chat={"failures": [rule]})
    error = await failure(llm)
    assert (error.kind, error.final) == (kind, False)
    assert error.status == (rule.get("status") or (200 if rule["kind"] in ANSWERED else None))
    assert await calls(llm_server) == 5


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("quota", 429, "insufficient_quota"),
        ("quota", 402, None),
        ("bad_request", 400, "context_length_exceeded"),
        ("bad_request", 401, "invalid_api_key"),
        ("bad_request", 403, None),
        ("bad_request", 404, "model_not_found"),
        ("bad_request", 422, None),
    ],
)
async def test_a_final_failure_is_not_asked_again(
    llm: OpenAILLM, llm_server: LLMServer, kind: str, status: int, code: str | None
) -> None:
    await llm_server.fail("chat", "status", status=status, code=code)
    error = await failure(llm)
    assert (error.kind, error.final, error.status) == (kind, True, status)
    assert error.body["code"] == code
    assert error.__cause__ is not None
    assert await calls(llm_server) == 1


async def test_what_may_be_logged_quotes_neither_the_prompt_nor_the_key(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "status", status=400, message=f"{KEY} may not ask {PROMPT}", code=f"no {PROMPT}")
    error = await failure(llm)
    assert str(error) == "the provider answered 400 (invalid_request_error)"
    assert PROMPT in error.message
    assert KEY not in error.message + str(error.body)


async def test_a_provider_that_hangs_ends_each_try(llm_server: LLMServer) -> None:
    llm = llm_for(llm_server, timeout=0.1)
    await llm_server.fail("chat", "hang", times=2)
    await llm.complete(QUESTION, timeout=10)
    stats = await llm_server.stats()
    assert (stats["chat"]["calls"], stats["chat"]["disconnected"]) == (3, 2)
    await llm_server.fail("chat", "hang")
    assert (await failure(llm)).kind == "timeout"
    assert await calls(llm_server) == 8
    await llm.close()


async def test_the_questions_time_bounds_all_tries(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "hang")
    error = await failure(llm, timeout=0.2)
    assert (error.kind, error.final) == ("timeout", False)
    assert await calls(llm_server) == 1


async def test_a_pause_past_the_questions_time_is_not_waited_for(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "status", status=429, retry_after="3600")
    async with asyncio.timeout(5):
        error = await failure(llm, timeout=60)
    assert (error.kind, error.status) == ("rate_limit", 429)
    assert await calls(llm_server) == 1


async def test_retry_after_is_obeyed(llm_server: LLMServer) -> None:
    pauses: list[tuple[str, float]] = []
    llm = llm_for(llm_server, on_retry=lambda kind, pause, model: pauses.append((kind, pause)))
    await llm_server.fail("chat", "status", status=429, headers={"retry-after-ms": "300"}, times=1)
    await llm_server.fail("chat", "status", status=503, times=1)
    await llm.complete(QUESTION, timeout=10)
    first, second, _ = [request["at"] for request in (await llm_server.stats())["chat"]["requests"]]
    assert second - first >= 0.3
    assert [kind for kind, _ in pauses] == ["rate_limit", "server_error"]
    await llm.close()


async def test_an_unreachable_provider_is_a_failed_connection(own_llm_server: LLMServer) -> None:
    own_llm_server.stop()
    llm = llm_for(own_llm_server)
    error = await failure(llm)
    assert (error.kind, error.final, error.status) == ("connection", False, None)
    await llm.close()


async def test_it_goes_on_when_the_provider_is_back(own_llm_server: LLMServer) -> None:
    llm = llm_for(own_llm_server)
    await llm.complete(QUESTION, timeout=10)
    own_llm_server.stop()
    assert (await failure(llm)).kind == "connection"
    own_llm_server.start()
    await llm.complete(QUESTION, timeout=10)
    await llm.close()


def test_the_error_of_a_try_is_kept_as_cause(llm_process: LLMServer) -> None:
    async def ask() -> LLMError:
        llm = llm_for(llm_process)
        await llm_process.reset()
        await llm_process.fail("chat", "status", status=404)
        try:
            return await failure(llm)
        finally:
            await llm.close()

    error = asyncio.run(ask())
    assert "HTTPStatusError" in "".join(traceback.format_exception(error))

"""What providers send, each in its own shape: what becomes of it, and that its own words reach the caller."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from askonce.question import Question
from askonce_worker.answering.ports import LLMError
from askonce_worker.providers.llm import OpenAILLM
from support.adapters import KEY, llm_for
from support.llm_server import LLMServer

QUESTION = Question("How high is the tower?", model="m")


@pytest.fixture
async def llm(llm_server: LLMServer) -> AsyncIterator[OpenAILLM]:
    llm = llm_for(llm_server)
    yield llm
    await llm.close()


async def failure(llm: OpenAILLM) -> LLMError:
    with pytest.raises(LLMError) as raised:
        await llm.complete(QUESTION, timeout=10)
    return raised.value


async def calls(server: LLMServer) -> int:
    count: int = (await server.stats(brief=True))["chat"]["calls"]
    return count


CONTEXT = "This model's maximum context length is 8192 tokens"
REFUSED = [
    ("openai", 400, {"error": {"message": CONTEXT, "type": "invalid_request_error", "code": "context_length"}}),
    ("azure", 404, {"error": {"code": "DeploymentNotFound", "message": f"{CONTEXT}."}}),
    ("azure", 401, {"statusCode": 401, "message": CONTEXT}),
    ("azure", 400, {"error": {"code": "content_filter", "message": CONTEXT, "innererror": {"code": "Policy"}}}),
    ("openrouter", 403, {"error": {"code": 403, "message": "Provider returned error", "metadata": {"raw": CONTEXT}}}),
    ("ollama", 404, {"error": {"message": CONTEXT, "type": "not_found_error", "param": None, "code": None}}),
    ("ollama's own", 404, {"error": CONTEXT}),
    ("vllm", 400, {"error": {"message": CONTEXT, "type": "BadRequestError", "param": None, "code": 400}}),
    ("vllm, flat", 400, {"object": "error", "message": CONTEXT, "type": "BadRequestError", "code": 400}),
    ("deepseek", 422, {"error": {"message": CONTEXT, "type": "invalid_request_error", "code": None}}),
    ("mistral", 422, {"object": "error", "message": {"detail": [{"loc": ["body", "top_p"], "msg": CONTEXT}]}}),
    ("mistral, fastapi", 422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "store"], "msg": [CONTEXT]}]}),
    ("gemini", 400, [{"error": {"code": 400, "message": CONTEXT, "status": "INVALID_ARGUMENT"}}]),
    ("a gateway", 400, {"detail": CONTEXT}),
    ("a gateway", 400, {"errors": [{"message": CONTEXT}]}),
    ("a gateway", 400, {"errors": [CONTEXT]}),
    ("a gateway", 400, {"reason": CONTEXT}),
    ("apigee", 400, {"fault": {"faultstring": CONTEXT, "detail": {"errorcode": "policies.ratelimit"}}}),
    ("aws", 400, {"Message": CONTEXT}),
    ("baidu", 400, {"error_code": 17, "error_msg": CONTEXT}),
    ("minimax", 400, {"base_resp": {"status_code": 2013, "status_msg": CONTEXT}}),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "body"), REFUSED)
async def test_a_refusal_in_any_shape_keeps_the_providers_words(
    llm: OpenAILLM, llm_server: LLMServer, provider: str, status: int, body: Any
) -> None:
    await llm_server.fail("chat", "status", status=status, body=body)
    error = await failure(llm)
    assert (error.kind, error.final, error.status) == ("bad_request", True, status)
    assert CONTEXT in error.message
    assert CONTEXT not in str(error), "what may be logged has no words of the provider"
    assert CONTEXT in str(error.body["message"]) or error.body["message"] == "Provider returned error"
    assert await calls(llm_server) == 1


@pytest.mark.parametrize("text", ["context length exceeded", "<html><title>context length exceeded</title></html>"])
async def test_words_in_plain_text_or_in_a_page_reach_the_caller(
    llm: OpenAILLM, llm_server: LLMServer, text: str
) -> None:
    await llm_server.fail("chat", "status", status=413, text=text)
    error = await failure(llm)
    assert "context length exceeded" in error.message
    assert "<" not in error.message
    assert "context length exceeded" in error.body["message"]


async def test_words_are_bounded_and_show_no_key(llm: OpenAILLM, llm_server: LLMServer) -> None:
    other = "sk-proj-0123456789abcdefghij"
    await llm_server.fail("chat", "status", status=401, text=f"{KEY} and {other} are wrong" + " very" * 100_000)
    error = await failure(llm)
    assert "are wrong" in error.message
    assert KEY not in error.message + str(error.body)
    assert other not in error.message + str(error.body)
    assert len(error.message) + len(str(error.body)) < 2000


BUSY = [
    ("openai", 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "rate_limit"),
    ("azure", 429, {"error": {"code": "429", "message": "slow down"}}, "rate_limit"),
    ("openrouter", 502, {"error": {"code": 502, "message": "slow down"}}, "server_error"),
    ("deepseek", 503, {"error": {"message": "slow down", "type": "service_unavailable_error"}}, "server_error"),
    ("gemini", 429, [{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.01s"}]}}], "rate_limit"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "body", "kind"), BUSY)
async def test_a_busy_provider_is_asked_again(
    llm_server: LLMServer, provider: str, status: int, body: Any, kind: str
) -> None:
    seen: list[str] = []
    llm = llm_for(llm_server, on_retry=lambda kind, pause, model: seen.append(kind))
    await llm_server.fail("chat", "status", status=status, body=body, times=2)
    await llm.complete(QUESTION, timeout=10)
    assert seen == [kind, kind]
    await llm.close()


EMPTY_ACCOUNTS = [
    ("openai", 429, {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}),
    ("openai, by its type alone", 429, {"error": {"message": "pay", "type": "insufficient_quota", "code": None}}),
    ("deepseek", 402, {"error": {"message": "pay", "type": "unknown_error", "code": "invalid_request_error"}}),
    ("openrouter", 402, {"error": {"code": 402, "message": "pay"}}),
]


@pytest.mark.parametrize(("provider", "status", "body"), EMPTY_ACCOUNTS)
async def test_an_empty_account_is_final(
    llm: OpenAILLM, llm_server: LLMServer, provider: str, status: int, body: Any
) -> None:
    await llm_server.fail("chat", "status", status=status, body=body)
    error = await failure(llm)
    assert (error.kind, error.final, error.body["message"]) == ("quota", True, "pay")


@pytest.mark.parametrize(
    ("inner", "kind", "final", "status"),
    [
        ({"message": "no credits left", "code": 402}, "quota", True, 402),
        ({"message": "no credits left", "code": "402"}, "quota", True, 402),
        ({"message": "no credits left", "type": "insufficient_quota"}, "quota", True, 200),
        ({"message": "too fast", "code": 429}, "rate_limit", False, 429),
        ({"message": "too fast", "type": "rate_limit_error"}, "rate_limit", False, 200),
        ({"message": "upstream closed", "code": 502}, "server_error", False, 502),
        ({"message": "upstream closed", "type": "overloaded_error"}, "server_error", False, 200),
        ({"message": "bad schema", "status": "INVALID_ARGUMENT"}, "bad_request", True, 200),
        ("something broke", "server_error", False, 200),
    ],
)
async def test_an_error_with_status_200_is_judged_by_its_own_code(
    llm: OpenAILLM, llm_server: LLMServer, inner: Any, kind: str, final: bool, status: int
) -> None:
    await llm_server.fail("chat", "body", body={"error": inner})
    error = await failure(llm)
    assert (error.kind, error.final, error.status) == (kind, final, status)
    words = inner if isinstance(inner, str) else inner["message"]
    assert words in error.message
    assert error.body["message"] == words
    assert await calls(llm_server) == (1 if final else 5)


WRONG_KEY = "the key sk-proj-0123456789abcdefghij is wrong"
BARE = [
    ("vllm, flat", {"object": "error", "message": WRONG_KEY, "code": 401}, "bad_request", True, 401),
    ("fastapi", {"detail": WRONG_KEY}, "invalid_response", False, 200),
    ("a gateway", {"success": False, "code": 429, "message": WRONG_KEY}, "rate_limit", False, 429),
    ("baidu", {"error_code": 500, "error_msg": WRONG_KEY}, "server_error", False, 500),
    ("minimax", {"base_resp": {"status_code": 403, "status_msg": WRONG_KEY}}, "bad_request", True, 403),
    ("minimax", {"choices": None, "base_resp": {"status_code": 0, "status_msg": WRONG_KEY}},
     "invalid_response", False, 200),
    ("gemini", [{"error": {"code": 400, "message": WRONG_KEY}}], "bad_request", True, 400),
    ("cloudflare", {"success": False, "errors": [{"code": 401, "message": WRONG_KEY}]}, "bad_request", True, 401),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "body", "kind", "final", "status"), BARE)
async def test_an_error_with_status_200_that_stands_bare_keeps_its_words_and_hides_keys(
    llm: OpenAILLM, llm_server: LLMServer, provider: str, body: Any, kind: str, final: bool, status: int
) -> None:
    await llm_server.fail("chat", "body", body=body)
    error = await failure(llm)
    assert (error.kind, error.final, error.status) == (kind, final, status)
    assert "the key *** is wrong" in error.message
    assert "the key *** is wrong" in error.body["message"]
    assert "sk-proj" not in str(error.body)
    assert await calls(llm_server) == (1 if final else 5)


def half(**choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "half an ans"}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "g", "model": "m", "choices": [{"index": 0, "message": message, **choice}], "usage": usage}


@pytest.mark.parametrize(
    ("provider", "choice"),
    [
        ("openrouter", {"finish_reason": "error", "error": {"code": 502, "message": "upstream closed"}}),
        ("deepseek", {"finish_reason": "insufficient_system_resource"}),
        ("mistral", {"finish_reason": "error"}),
        ("vllm", {"finish_reason": "abort"}),
        ("a router", {"finish_reason": "network_error"}),
        ("a router", {"finish_reason": "stop", "error": {"message": "upstream closed"}}),
    ],
)
async def test_an_answer_that_was_broken_off_is_a_server_error_and_is_asked_again(
    llm: OpenAILLM, llm_server: LLMServer, provider: str, choice: dict[str, Any]
) -> None:
    await llm_server.fail("chat", "body", body=half(**choice), times=2)
    completion = await llm.complete(QUESTION, timeout=10)
    assert completion.body["choices"][0]["message"]["content"] == f"answer to: {QUESTION.text}"
    await llm_server.fail("chat", "body", body=half(**choice))
    error = await failure(llm)
    assert (error.kind, error.final) == ("server_error", False)
    assert "half an ans" not in error.message


@pytest.mark.parametrize(
    ("provider", "choice"),
    [
        ("mistral", {"finish_reason": "stop", "message": {"role": "assistant", "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "final"}]}}),
        ("deepseek", {"finish_reason": "stop", "message": {"content": "final", "reasoning_content": "hm"}}),
        ("ollama", {"finish_reason": "stop", "message": {"content": "final", "reasoning": "hm"}}),
        ("vllm", {"finish_reason": "stop", "stop_reason": None, "message": {"content": "final", "tool_calls": []}}),
        ("openrouter", {"finish_reason": "stop", "native_finish_reason": "STOP", "message": {"content": "final"}}),
        ("azure", {"finish_reason": "stop", "content_filter_results": {"hate": {"filtered": False}},
                   "message": {"content": "final"}}),
        ("gemini", {"finish_reason": "stop", "message": {"content": "final", "extra_content": {"google": {}}}}),
    ],
)  # fmt: skip
async def test_an_answer_in_the_providers_own_shape_comes_back_unchanged(
    llm: OpenAILLM, llm_server: LLMServer, provider: str, choice: dict[str, Any]
) -> None:
    body = {"id": "x", "model": "m", "choices": [{"index": 0, **choice}], "error": None}
    await llm_server.fail("chat", "body", body=body)
    assert (await llm.complete(QUESTION, timeout=10)).body == body


async def test_a_login_page_is_an_invalid_response_with_a_hint(llm: OpenAILLM, llm_server: LLMServer) -> None:
    await llm_server.fail("chat", "body", text="<html><body>login</body></html>")
    error = await failure(llm)
    assert (error.kind, error.status) == ("invalid_response", 200)
    assert "HTML" in error.message


async def test_an_unknown_path_without_v1_has_a_hint(llm_server: LLMServer) -> None:
    root = llm_server.base_url.removesuffix("/v1")
    llm = llm_for(llm_server, base_url=f"{root}/api")
    await llm_server.fail("chat", "status", status=404, text="404 page not found")
    error = await failure(llm)
    assert "404 page not found" in error.message
    assert "/v1" in error.message
    await llm.close()


VERSION = "?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("{root}/openai/deployments/d" + VERSION, "/openai/deployments/d/chat/completions" + VERSION),
        ("{root}" + VERSION, "/openai/deployments/gpt%2F4/chat/completions" + VERSION),
        ("{root}/openai/" + VERSION, "/openai/deployments/gpt%2F4/chat/completions" + VERSION),
        ("{root}/openai/v1/?api-version=preview", "/openai/v1/chat/completions?api-version=preview"),
    ],
)  # fmt: skip
async def test_azure_gets_its_paths_its_version_and_its_key(llm_server: LLMServer, written: str, path: str) -> None:
    llm = llm_for(llm_server, base_url=written.format(root=llm_server.base_url.removesuffix("/v1")))
    await llm.complete(Question("Why?", model="gpt/4"), timeout=10)
    [request] = (await llm_server.stats())["chat"]["requests"]
    assert (request["path"], request["api-key"], request["authorization"]) == (path, KEY, "")
    await llm.close()


async def test_a_base_url_with_a_query_is_joined_before_it(llm_server: LLMServer) -> None:
    llm = llm_for(llm_server, base_url=f"{llm_server.base_url}?tenant=a%20b")
    await llm.complete(QUESTION, timeout=10)
    [request] = (await llm_server.stats())["chat"]["requests"]
    assert request["path"] in ("/v1/chat/completions?tenant=a%20b", "/v1/chat/completions?tenant=a+b")
    assert request["authorization"] == f"Bearer {KEY}"
    await llm.close()


def test_azure_without_its_version_is_refused_with_a_hint(llm_server: LLMServer) -> None:
    with pytest.raises(ValueError, match="api-version"):
        llm_for(llm_server, base_url="https://name.openai.azure.com/openai/deployments/d")

"""Rows of other people's logs as calls."""

import json

import pytest

from askonce_worker.replay.calls import BadCall, NoCall, Reply
from askonce_worker.replay.sources.choosing import Format, Reading

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is Rome?"}]
COMPLETION = {
    "id": "c1",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "In Italy."}}],
    "usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24},
}
BEGAN = 1777888800.5  # 2026-05-04T10:00:00.5Z

LITELLM = {
    "request_id": "r1", "call_type": "acompletion", "api_key": "88dc", "spend": 0.00042, "total_tokens": 24,
    "prompt_tokens": 20, "completion_tokens": 4, "startTime": "2026-05-04T10:00:00.500000Z",
    "endTime": "2026-05-04T10:00:02.000000Z", "model": "gpt-4o-mini", "model_group": "mini", "team_id": "shop",
    "cache_hit": "False", "messages": "{}", "response": json.dumps(COMPLETION), "status": "success",
    "metadata": {"user_api_key_alias": "x"},
    "proxy_server_request": json.dumps({"model": "mini", "messages": MESSAGES, "temperature": 0, "stream": True}),
}  # fmt: skip
LANGFUSE = {
    "id": "o1", "trace_id": "t1", "type": "GENERATION", "start_time": "2026-05-04 10:00:00.500000",
    "end_time": "2026-05-04 10:00:02.000000", "provided_model_name": "gpt-4o-mini", "level": "DEFAULT",
    "model_parameters": '{"temperature":0}', "input": json.dumps(MESSAGES),
    "output": json.dumps({"role": "assistant", "content": "In Italy."}), "environment": "shop",
    "usage_details": {"input": 15, "input_cached_tokens": 5, "output": 4, "total": 24},
    "cost_details": {"input": 0.0003, "output": 0.00012}, "total_cost": 0.00042, "latency": 1.5,
}  # fmt: skip
LANGFUSE_PAGE = {
    "id": "o1", "traceId": "t1", "traceName": "chat", "startTime": "2026-05-04T10:00:00.500Z", "latency": 1.5,
    "model": "gpt-4o-mini", "modelParameters": {"temperature": 0}, "input": {"messages": MESSAGES},
    "output": "In Italy.", "usageDetails": {"input": 20, "output": 4}, "totalCost": "0.00042",
}  # fmt: skip
HELICONE = {
    "response_id": "a", "request_id": "b", "request_created_at": "2026-05-04T10:00:00.500Z", "response_status": 200,
    "request_model": "gpt-4o-mini", "delay_ms": 1500, "prompt_tokens": 20, "completion_tokens": 4, "cost": 0.00042,
    "request_path": "https://api.openai.com/v1/chat/completions", "request_user_id": "u",
    "request_body": {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0}, "response_body": COMPLETION,
}  # fmt: skip
HELICONE_CSV = {
    **{name: str(value) for name, value in HELICONE.items() if name not in ("delay_ms", "cost", "request_path")},
    "latency": "1500", "cost_usd": "0.00042", "model": "gpt-4o-mini",
    "request_body": json.dumps(HELICONE["request_body"]), "response_body": "",
}  # fmt: skip
REQUESTS = {
    "timestamp": BEGAN * 1000, "latency_ms": 1500, "cost": 0.00042, "response": COMPLETION,
    "request": {"model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0},
}  # fmt: skip
FLAT = {
    "created_at": "2026-05-04T12:00:00.5+02:00", "end_time": "2026-05-04T10:00:02Z", "total_cost": 0.00042,
    "model": "gpt-4o-mini", "messages": MESSAGES, "temperature": 0, "trace": "x", "answer": "In Italy.",
    "prompt_tokens": 20, "completion_tokens": 4,
}  # fmt: skip
TABLE = {
    "time": str(BEGAN), "latency": "1.5", "cost": "0.00042", "model": "gpt-4o-mini", "system": "Be brief.",
    "text": "Where is Rome?", "params": '{"temperature": 0}', "answer": "In Italy.", "prompt_tokens": "20",
    "completion_tokens": "4",
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "form"),
    [
        (LITELLM, Format.litellm),
        (LANGFUSE, Format.langfuse),
        (LANGFUSE_PAGE, Format.langfuse),
        (HELICONE, Format.helicone),
        (HELICONE_CSV, Format.helicone),
        (REQUESTS, Format.columns),
        (FLAT, Format.columns),
        (TABLE, Format.columns),
    ],
    ids=["litellm", "langfuse", "langfuse-page", "helicone", "helicone-csv", "requests", "flat", "table"],
)
def test_each_kind_of_row_is_known_by_its_fields(row, form):
    kind, call = Reading().read(row)
    assert kind is form
    question = call.question
    assert (question.text, question.system, question.params) == ("Where is Rome?", "Be brief.", {"temperature": 0})
    assert question.model == ("mini" if form is Format.litellm else "gpt-4o-mini")
    assert (call.asked, call.seconds, call.cost) == (BEGAN, 1.5, 420_000)
    usage = call.body["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (20, 4)
    if row is not HELICONE_CSV:
        assert call.body["choices"][0]["message"]["content"] == "In Italy."


def test_equal_questions_of_different_logs_are_one():
    calls = [Reading().read(row)[1] for row in (LANGFUSE, LANGFUSE_PAGE, HELICONE, REQUESTS, FLAT, TABLE)]
    assert len({call.question.fingerprint for call in calls}) == 1


def test_cached_tokens_of_langfuse_are_a_part_of_what_was_read():
    usage = Reading().read(LANGFUSE)[1].body["usage"]
    assert usage["prompt_tokens_details"] == {"cached_tokens": 5}


def test_the_requests_and_the_answers_of_a_batch_have_the_same_key():
    request = {"custom_id": "7", "method": "POST", "url": "/v1/chat/completions", "body": REQUESTS["request"]}
    reply = {"id": "b", "custom_id": "7", "response": {"status_code": 200, "body": COMPLETION}, "error": None}
    _, call = Reading().read(request)
    _, found = Reading().read(reply)
    assert isinstance(found, Reply)
    assert (call.key, call.asked) == (found.key, None)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({**LITELLM, "call_type": "aembedding"}, "aembedding"),
        ({**LITELLM, "status": "failure"}, "failed"),
        ({**LANGFUSE, "type": "SPAN"}, "SPAN"),
        ({**LANGFUSE, "level": "ERROR"}, "failed"),
        ({**HELICONE, "response_status": 500}, "failed"),
        ({**HELICONE, "request_body": {"input": "x"}, "request_path": "/v1/embeddings"}, "/v1/embeddings"),
        ({"custom_id": "1", "url": "/v1/embeddings", "body": {"input": "x"}}, "embeddings"),
        ({"custom_id": "1", "response": {"status_code": 400, "body": {}}}, "failed"),
    ],
)
def test_rows_that_are_no_answered_calls_are_left_out(row, what):
    with pytest.raises(NoCall, match=what):
        Reading().read(row)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({**LITELLM, "proxy_server_request": "{}"}, "store_prompts_in_spend_logs"),
        (
            {**LITELLM, "proxy_server_request": json.dumps(
                {"messages": [{"role": "user", "content": "Where... (litellm_truncated 900 chars) ...Rome?"}]})},
            "truncated its prompt",
        ),
        ({**HELICONE, "request_body": None}, "--include-body"),
        ({**LANGFUSE, "input": ""}, "no input"),
        ({**TABLE, "text": " "}, "--column"),
        ({**TABLE, "model": None}, "--model"),
        ({**TABLE, "time": "yesterday"}, "time"),
        ({**REQUESTS, "request": {"messages": [{"role": "user"}], "model": 7}}, "model"),
    ],
)  # fmt: skip
def test_malformed_rows_say_why(row, why):
    with pytest.raises(BadCall, match=why):
        Reading().read(row)


def test_columns_and_tenants_are_named():
    row = {"Created At": "1777888800", "mail": {"body": "Where is Rome?"}, "team": "Acme Inc.", "text": "not this"}
    columns = {"text": "mail.body", "time": "Created At", "namespace": "team"}
    _, call = Reading(columns=columns, model="m").read(row)
    assert (call.question.text, call.asked) == ("Where is Rome?", 1777888800.0)
    assert (call.question.namespace, call.question.model) == ("Acme-Inc.", "m")
    _, call = Reading(columns={"namespace": "team_id"}).read(LITELLM)
    assert call.question.namespace == "shop"

"""OpenAI's Batch format: every line that we write is read with the SDK's own classes."""

import orjson
import pytest
from openai.types.batch_error import BatchError
from openai.types.chat import ChatCompletion
from openai.types.shared import ErrorObject

from askonce import Answer, AnswerError
from askonce.batch.line_format import Form, read_line
from askonce.batch.output_format import output_record
from askonce.batch.totals import RunTotals
from askonce.contract.completion import text_body
from askonce.prices.price_file import FilePrices

FORM = Form(namespace="default", model="default-model")
BODY = {
    "id": "chatcmpl-9",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}


def request(**changes):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    return {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body, **changes}


def read(value, form=FORM):
    return read_line(7, value if isinstance(value, bytes) else orjson.dumps(value), form)


def written(answer, line=None):
    return orjson.loads(orjson.dumps(output_record(line or read(request()), "run-7", answer)))


def failed(kind, message="why", status=None, body=None):
    return Answer("run-7", "failed", error=AnswerError(kind, message, status), body=body)


ANSWERS = {
    "llm": Answer("run-7", "answered", "llm", body=BODY),
    "exact": Answer("run-7", "answered", "exact", cached_at=5, body=BODY),
    "semantic": Answer("run-7", "answered", "semantic", 0.97, "capital of France?", cached_at=5, body=BODY),
    "stored by hand": Answer("run-7", "answered", "exact", cached_at=5, body=text_body("Paris", model="m")),
    "refused by the provider": failed(
        "bad_request", status=400, body={"message": "no", "type": "invalid_request_error"}
    ),
    "refused without a word": failed("server_error", status=503),
    "with the error inside": failed(
        "quota", status=429, body={"error": {"message": "no", "type": "insufficient_quota"}}
    ),
    "expired": failed("expired"),
    "cancelled": failed("cancelled"),
    "invalid": failed("invalid_question"),
    "too slow": failed("timeout"),
    "crashed": failed("crashed"),
    "a broken reply": failed("invalid_response", status=200),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_sdk_reads_every_line(answer):
    record = written(answer)
    assert list(record) == ["id", "custom_id", "response", "error", "askonce"]
    assert (record["id"], record["custom_id"]) == ("batch_req_run-7", "a")
    assert (record["response"] is None) != (record["error"] is None)
    if record["error"] is not None:
        error = BatchError.model_validate(record["error"])
        assert error.code in {
            "request_timeout",
            "batch_expired",
            "batch_cancelled",
            "invalid_request",
            answer.error.kind,
        }
        assert error.line == 7
    elif record["response"]["status_code"] == 200:
        ChatCompletion.model_validate(record["response"]["body"], strict=True)
    else:
        ErrorObject.model_validate(record["response"]["body"]["error"])
    assert isinstance(record["askonce"]["billed"], bool)


def test_the_body_is_what_the_provider_sent():
    for name in ("llm", "exact", "semantic"):
        assert written(ANSWERS[name])["response"]["body"] == BODY


def test_only_what_was_asked_for_this_line_is_billed():
    records = {name: written(answer) for name, answer in ANSWERS.items()}
    assert [name for name, record in records.items() if record["askonce"]["billed"]] == ["llm"]
    assert records["llm"]["response"]["request_id"] == "chatcmpl-9"
    assert records["exact"]["response"]["request_id"] == "run-7"
    assert records["semantic"]["askonce"] == {
        "line": 7,
        "source": "semantic",
        "similarity": 0.97,
        "matched_question": "capital of France?",
        "billed": False,
        "asked": {
            "text": "What is the capital of France?",
            "scope": read(request()).question.scope,
            "namespace": "default",
            "model": "gpt-4o-mini",
        },
    }


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("expired", "batch_expired"),
        ("cancelled", "batch_cancelled"),
        ("invalid_question", "invalid_request"),
        ("timeout", "request_timeout"),
        ("connection", "connection"),
        ("invalid_response", "invalid_response"),
        ("crashed", "crashed"),
        ("unknown_job", "unknown_job"),
    ],
)
def test_an_error_has_the_formats_own_code_or_its_kind(kind, code):
    error = written(failed(kind))["error"]
    assert (error["code"], error["message"]) == (code, "why")


def test_a_line_says_why_it_was_asked_without_matching():
    unmatched = Answer("run-7", "answered", "llm", body=BODY, unmatched="embeddings_slow")
    assert written(unmatched)["askonce"]["unmatched"] == "embeddings_slow"
    assert "unmatched" not in written(ANSWERS["llm"])["askonce"]


def test_a_provider_s_error_keeps_its_status_and_body():
    record = written(ANSWERS["refused by the provider"])
    assert record["response"]["status_code"] == 400
    assert record["response"]["body"] == {"error": {"message": "no", "type": "invalid_request_error"}}
    assert written(ANSWERS["with the error inside"])["response"]["body"]["error"]["type"] == "insufficient_quota"


def test_metadata_comes_back_beside_the_answer():
    line = read({"id": "a", "question": "Why?", "metadata": {"row": 3}})
    for answer in (ANSWERS["exact"], ANSWERS["expired"]):
        assert written(answer, line)["askonce"]["metadata"] == {"row": 3}
    assert "metadata" not in written(ANSWERS["exact"])["askonce"]


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"prompt_tokens": "7", "completion_tokens": -2}},
        {"usage": [], "model": 7},
        {"usage": None},
        {"usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": "all"}}},
    ],
)
def test_what_a_provider_counts_oddly_is_counted_as_none(odd):
    prices = FilePrices({"gpt-4o-mini": {"input": 1.0, "cached_input": 0.5, "output": 1.0}})
    tally = RunTotals()
    tally.add(written(Answer("run-7", "answered", "llm", body={**BODY, **odd})), prices)
    counted = 9 if isinstance(odd["usage"], dict) and "prompt_tokens_details" in odd["usage"] else 0
    assert (tally.answered, tally.spent.prompt, tally.spent.completion) == (1, counted, 0)
    assert tally.spent.cost == pytest.approx(counted / 1e6)
    if isinstance(odd["usage"], dict):
        assert prices.cost("gpt-4o-mini", odd["usage"]) == counted * 1000


def test_each_form_of_a_line():
    whole = read(request())
    assert (whole.custom_id, whole.question.text, whole.question.model) == (
        "a",
        "What is the capital of France?",
        "gpt-4o-mini",
    )
    short = read({"id": "b", "question": "Why?", "system": "Be brief.", "params": {"temperature": 0}})
    assert (short.custom_id, short.question.model, short.question.system) == ("b", "default-model", "Be brief.")
    assert read({"question": "Why?"}).custom_id == "line-7"
    assert read({"custom_id": "c", "prompt": "Why?"}).custom_id == "c"
    form = Form(namespace="default", model="m", system="Be brief.", template="Say: {text}", as_text=True)
    plain = read("Für wen?".encode(), form)
    assert (plain.question.prompt(), plain.question.system, plain.custom_id) == ("Say: Für wen?", "Be brief.", "line-7")


def test_null_means_absent_in_every_field_of_a_short_line():
    fields = (
        "id",
        "custom_id",
        "prompt",
        "messages",
        "model",
        "system",
        "template",
        "history",
        "params",
        "cache",
        "ttl",
    )
    nulls = dict.fromkeys((*fields, "threshold", "semantic", "metadata"))
    form = Form(namespace="default", model="m", system="Be brief.", params={"temperature": 0}, cache="refresh")
    assert read({"question": "Why?", **nulls}, form) == read({"question": "Why?"}, form)


def test_the_tier_of_the_command_holds_for_lines_that_name_none():
    form = Form(namespace="default", model="m", tier="flex")
    messages = [{"role": "user", "content": "Why?"}]
    request = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": messages}}
    for line in ({"question": "Why?"}, {"messages": messages}, request):
        assert read(line, form).question.tier == "flex"
    assert read({"question": "Why?", "tier": "batch"}, form).question.tier == "batch"
    assert read({"messages": messages, "tier": "batch"}, form).question.tier == "batch"


def test_a_prompt_is_a_question():
    form = Form(namespace="default", model="m", template="Say: {text}", params={"temperature": 0})
    assert read({"prompt": "Why?"}, form) == read({"question": "Why?"}, form)


def test_messages_are_a_request_without_its_envelope():
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    line = read({"messages": messages, "temperature": 0.5, "params": {"top_p": 1}, "min_tokens": 3, "threshold": 0.99})
    question = line.question
    assert (line.custom_id, question.text, question.system, question.threshold) == ("line-7", "Why?", "Be brief.", 0.99)
    assert question.params == {"temperature": 0.5, "top_p": 1, "min_tokens": 3}
    assert question.model == "default-model"
    assert read({"id": "a", "messages": messages, "model": "other"}).question.model == "other"


def test_parameters_of_any_server_may_stand_beside_messages():
    given = {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "seed": 7, "enable_thinking": False, "zzz": 1}
    line = read({"messages": [{"role": "user", "content": "Why?"}], **given, "params": {"modle": 1}})
    assert line.question.params == {**given, "modle": 1}


def test_a_request_of_nulls_is_a_short_line():
    nulls = {"method": None, "url": None, "body": None}
    line = read({"custom_id": "7", **nulls, "question": "x"})
    assert (line.custom_id, line.question.text) == ("7", "x")


def test_the_system_prompt_of_the_command_holds_for_messages_that_have_none():
    form = Form(namespace="default", model="m", system="Be brief.", params={"temperature": 0})
    bare = [{"role": "user", "content": "Why?"}]
    assert read({"messages": bare}, form).question == read({"question": "Why?"}, form).question
    own = [{"role": "developer", "content": "Be long."}, *bare]
    assert "Be brief." not in str(read({"messages": own}, form).question)


def test_only_a_line_that_lacks_nothing_but_a_model_needs_one():
    form = Form(namespace="default")
    assert read({"question": "Why?"}, form).needs_model
    assert read({"messages": [{"role": "user", "content": "Why?"}]}, form).needs_model
    assert not read({"question": "Why?", "model": "m"}, form).needs_model
    assert not read({"qestion": "Why?"}, form).needs_model


MALFORMED = {
    "no json": (b"{oh", "not JSON"),
    "not utf-8": (b'{"question": "\xff"}', "not UTF-8 (byte 0xff at 15): save the file as UTF-8"),
    "a lone surrogate": (b'{"question": "\\ud800", "model": "m"}', "not JSON"),
    "no object": (b"[1]", "not a JSON object"),
    "no id": (request(custom_id=None), "custom_id is missing"),
    "an empty id": (request(custom_id=""), "custom_id must be a non-empty string"),
    "a number as id": (request(custom_id=5), 'custom_id is the number 5: write it as a string, "5"'),
    "a number as short id": ({"id": 5, "question": "Why?"}, 'id is the number 5: write it as a string, "5"'),
    "a list as id": (request(custom_id=[5]), "custom_id must be a non-empty string"),
    "another method": (request(method="GET"), "method is not POST"),
    "another url": (request(url="/v1/images"), "url must be one of /v1/chat/completions"),
    "no body": (request(body=None), "body is not an object"),
    "no messages": (request(body={"model": "m"}), "messages"),
    "an empty message": (request(body={"messages": [{"role": "user", "content": " "}]}), "the text is empty"),
    "a stream": (request(body={**request()["body"], "stream": True}), "stream"),
    "a model of its own kind": (request(body={**request()["body"], "model": 7}), "model"),
    "a misspelt parameter": ({"question": "Why?", "temprature": 0}, "temprature: did you mean temperature, in params?"),
    "a misspelt field": ({"question": "Why?", "treshold": 1}, "unknown field treshold: did you mean threshold?"),
    "a misspelt model beside messages": (
        {"messages": [{"role": "user", "content": "Why?"}], "modle": "m"},
        "unknown field modle: did you mean model?",
    ),
    "a misspelt parameter beside messages": (
        {"messages": [{"role": "user", "content": "Why?"}], "temprature": 0},
        "unknown field temprature: did you mean temperature?",
    ),
    "a misspelt question": ({"qestion": "Why?"}, "unknown field qestion: did you mean question?"),
    "a misspelt body": (
        {"custom_id": "a", "metod": "POST", "boddy": {}},
        "unknown field boddy: did you mean body?",
    ),
    "a field unlike any": ({"question": "Why?", "zzz": 0}, "unknown field zzz"),
    "a parameter beside the question": (
        {"question": "Why?", "top_p": 1},
        'top_p belongs in params: {"params": {"top_p',
    ),
    "nothing": ({}, "neither question, prompt, messages nor a whole request (it is empty)"),
    "no question": ({"model": "m", "question": None}, "neither question, prompt, messages nor a whole request (it has"),
    "two questions": ({"question": "Why?", "prompt": "Why?"}, "question and prompt: a line has one of them"),
    "a template for messages": ({"messages": [], "template": "{text}"}, "template and messages"),
    "messages of another kind": ({"messages": "Why?"}, "messages must be a"),
    "several prompts": ({"prompt": ["a", "b"]}, "the text must be a string"),
    "a question of numbers": ({"question": 7}, "the text must be a string"),
    "bad parameters": ({"question": "Why?", "params": [1]}, "params"),
    "an unknown cache mode": ({"question": "Why?", "cache": "sometimes"}, "cache"),
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_line_has_a_reason(raw, reason):
    line = read(raw)
    assert line.question is None
    assert reason in line.reason
    record = written(failed("invalid_question"), line)
    assert record["error"]["message"].startswith("line 7: ")
    assert BatchError.model_validate(record["error"]).code == "invalid_request"

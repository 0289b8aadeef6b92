"""What lines of a batch's files and a provider's refusals say."""

import orjson
import pytest
from openai.types import BatchError

from askonce import Question
from askonce.json_values import loads
from askonce_worker.logs.redaction import Redactor
from askonce_worker.parked.batches import Limit
from askonce_worker.parked.lines import read_line, request_line
from askonce_worker.parked.refusal import Refusal, of_batch, of_request
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision, judge_status

REDACTOR = Redactor(())
BODY = {"model": "m", "choices": [{"message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}


def line(response, error=None, name="a"):
    return orjson.dumps({"id": "batch_req", "custom_id": name, "response": response, "error": error})


def test_a_request_line_is_the_chat_completion_that_would_be_asked():
    question = Question("hi", model="m", system="s", params={"seed": 2**70}, namespace="n", metadata=1, tier="batch")
    asked = loads(request_line("name", question))
    assert (asked["custom_id"], asked["method"], asked["url"]) == ("name", "POST", "/v1/chat/completions")
    assert asked["body"] == question.request()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (line({"status_code": 200, "body": BODY}), "answered"),
        (line({"status_code": 200, "body": BODY}).replace(b'"yes"', b'"cut \\ud83d"'), "answered"),
        (line({"body": BODY}), "answered"),
        (line({"status_code": 200, "body": {**BODY, "choices": []}}), "again"),
        (line({"status_code": 200, "body": None}), "again"),
        (line({"status_code": 400, "body": {"error": {"message": "no", "code": "bad"}}}), "failed"),
        (line({"status_code": 429, "body": {"error": {"message": "no"}}}), "again"),
        (line({"status_code": 429, "body": {"error": {"message": "no", "code": "insufficient_quota"}}}), "again"),
        (line({"status_code": 503, "body": None}), "again"),
        (line({"status_code": "odd", "body": 7}), "again"),
        (line(None, {"code": "batch_expired", "message": "late"}), "again"),
        (line(None), "again"),
    ],
)
def test_what_a_line_says(raw, kind):
    outcome = read_line(raw, REDACTOR)
    assert (outcome.id, outcome.kind) == ("a", kind)
    assert (outcome.body is None, outcome.failure is None) == (kind != "answered", kind != "failed")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"7", b'{"custom_id": 7}', b'{"response": null}', b"\xff"])
def test_a_line_that_names_no_request_is_none(raw):
    assert read_line(raw, REDACTOR) is None


@pytest.mark.parametrize(
    ("errors", "refusal"),
    [
        ([BatchError(code="token_limit_exceeded", message="Enqueued token limit reached for m")], Refusal.LIMIT),
        ([BatchError(code=None, message="Enqueued token limit reached for m in organization o.")], Refusal.LIMIT),
        ([BatchError(code="invalid_json_line", message="not JSON", line=3)], Refusal.FILE),
        ([], Refusal.FILE),
    ],
)
def test_what_a_failed_batch_says(errors, refusal):
    assert of_batch(errors) is refusal


@pytest.mark.parametrize(
    ("status", "code", "refusal"),
    [
        (400, "invalid_request_error", Refusal.FILE),
        (413, None, Refusal.FILE),
        (400, "billing_hard_limit_reached", Refusal.LATER),
        (401, None, Refusal.LATER),
        (404, None, Refusal.LATER),
        (429, None, Refusal.LATER),
        (429, "insufficient_quota", Refusal.LATER),
        (500, None, Refusal.UNKNOWN),
        (None, None, Refusal.UNKNOWN),
    ],
)
def test_what_a_refused_request_says(status, code, refusal):
    decision = RetryDecision("connection", final=False) if status is None else judge_status(status, code)
    assert of_request(ProviderError(decision, "no", status=status)) is refusal


def test_a_provider_that_has_enough_is_sent_less_and_later_and_more_again_when_it_takes_it():
    limit = Limit(50_000).tighter(40_000, now_ms=0)
    assert (limit.most, limit.until) == (20_000, 60_000)
    limit = limit.tighter(20_000, now_ms=0)
    assert (limit.most, limit.until) == (10_000, 120_000)
    assert limit.wider().most == 20_000
    for _ in range(30):
        limit = limit.tighter(limit.most, now_ms=0)
    assert (limit.most, limit.until) == (1, 1_800_000)

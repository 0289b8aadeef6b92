"""What the front door replies where there is no answer."""

import orjson
import pytest

from askonce.answer import Answer, AnswerError
from askonce.errors import QuestionFailed
from askonce.serve.refusals import refusal_of


@pytest.mark.parametrize(
    ("kind", "status", "body", "replied", "retry"),
    [
        ("bad_request", 422, {"message": "no"}, 422, "false"),
        ("invalid_response", 200, {"message": "no JSON"}, 502, None),
        ("invalid_response", 200, None, 502, None),
        ("connection", None, None, 503, None),
        ("quota", None, None, 429, "false"),
        ("budget", None, None, 429, "false"),
        ("expired", None, None, 408, None),
        ("invalid_answer", None, None, 502, "false"),
    ],
)
def test_a_failed_answer_never_looks_like_a_success(kind, status, body, replied, retry):
    failed = Answer(job_id="j", status="failed", error=AnswerError(kind, "why", status), body=body)
    reply = refusal_of(QuestionFailed(failed))
    assert reply.status_code == replied
    assert reply.headers["x-askonce-error"] == kind
    assert reply.headers["x-askonce-job-id"] == "j"
    assert reply.headers.get("x-should-retry") == retry
    error = orjson.loads(reply.body)["error"]
    assert error["message"] == (body or {"message": "why"})["message"]
    if kind in ("quota", "budget"):
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")

"""Output lines: OpenAI's Batch format, plus an `askonce` object.

    {"id": "batch_req_<job id>", "custom_id": "7",
     "response": {"status_code": 200, "request_id": "chatcmpl-…", "body": {…}}, "error": null,
     "askonce": {"line": 7, "source": "semantic", "similarity": 0.97, "matched_question": "…", "billed": false}}

Failed lines go to a file of their own. If the provider responded with an HTTP error, its status and body are in
`response`; otherwise the cause is in `error`.
"""

import time
from collections.abc import Mapping
from typing import Any

from askonce.answer import Answer
from askonce.batch.line_format import Line
from askonce.canonical_endpoints import has_floats
from askonce.question import Question
from askonce.replies.embeddings import encoded_as
from askonce.replies.shapes import shape_of

CODES = {
    "expired": "batch_expired",
    "cancelled": "batch_cancelled",
    "timeout": "request_timeout",
    "invalid_question": "invalid_request",
}
"""The Batch format's own codes, by error kind. It has none for other kinds, which keep their names."""
REQUEST = "batch_req_"


def output_record(line: Line, job_id: str, answer: Answer) -> dict[str, Any]:
    """The record of one line. The answer to a malformed line is ignored."""
    record: dict[str, Any] = {"id": REQUEST + job_id, "custom_id": line.custom_id, "response": None, "error": None}
    if line.reason is not None:
        record["error"] = _error("invalid_request", f"line {line.number}: {line.reason}", line.number)
        record["askonce"] = {"line": line.number, "kind": "malformed_line", "billed": False}
    elif answer.error is not None:
        record |= _failure(line, job_id, answer)
    else:
        record["response"] = {
            "status_code": 200,
            "request_id": _request_id(job_id, answer),
            "body": _body(job_id, answer, line.question),
        }
        record["askonce"] = {
            "line": line.number,
            "source": answer.source,
            "similarity": answer.similarity,
            "matched_question": answer.matched_question,
            "billed": answer.source == "llm",
        }
        if line.question is not None and answer.matched_question not in (None, line.question.text):
            record["askonce"]["asked"] = _asked(line.question)
        elif line.question is not None and line.question.cache != "bypass":
            record["askonce"]["entry"] = line.question.fingerprint
        explained = {name: getattr(answer, name) for name in ("unmatched", "waited", "tier", "cost")}
        record["askonce"] |= {name: value for name, value in explained.items() if value is not None}
    if line.question is not None and line.question.metadata is not None:
        record["askonce"]["metadata"] = line.question.metadata
    return record


def _asked(question: Question) -> dict[str, Any]:
    """What `askonce wrong --lines` needs to report this line."""
    return {name: getattr(question, name) for name in ("text", "scope", "namespace", "model")}


def _failure(line: Line, job_id: str, answer: Answer) -> dict[str, Any]:
    error = answer.error
    assert error is not None
    facts = {"line": line.number, "kind": error.kind, **_paid(answer)}
    if error.status is not None and error.status >= 400:
        detail = answer.body.get("error", answer.body) if answer.body else None
        if not isinstance(detail, Mapping):
            detail = {"message": error.message, "type": error.kind, "param": None, "code": None}
        response = {"status_code": error.status, "request_id": job_id, "body": {"error": detail}}
        return {"response": response, "askonce": facts}
    return {"error": _error(CODES.get(error.kind, error.kind), error.message, line.number), "askonce": facts}


def _paid(answer: Answer) -> dict[str, Any]:
    """An answer that does not fit its schema was still paid for, by the line that has it."""
    if answer.usage is None or answer.source not in (None, "llm"):
        return {"billed": False}
    cost = {} if answer.cost is None else {"cost": answer.cost}
    return {"billed": True, "model": answer.body.get("model") if answer.body else None, "usage": answer.usage, **cost}


def _error(code: str, message: str, line: int) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line}


def _request_id(job_id: str, answer: Answer) -> str:
    own = answer.body.get("id") if answer.body is not None and answer.source == "llm" else None
    return own if isinstance(own, str) else job_id


def _body(job_id: str, answer: Answer, question: Question | None) -> Mapping[str, Any]:
    """The provider's body, with vectors encoded as the line requests. An answer cached by `store` gets the fields the
    format requires."""
    body = answer.body or {}
    shape = shape_of(body)
    if shape == "embeddings":
        params = {} if question is None else question.params
        return encoded_as(body, params.get("encoding_format")) if has_floats(params) else body
    if shape == "responses" or ("id" in body and "created" in body):
        return body
    return {"id": f"chatcmpl-{job_id}", "created": answer.cached_at or int(time.time()), **body}

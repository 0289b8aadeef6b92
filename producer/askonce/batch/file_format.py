"""OpenAI's Batch format, and two shorter forms of it.

Input, one request a line:

    {"custom_id": "7", "method": "POST", "url": "/v1/chat/completions", "body": {"model": …, "messages": […]}}
    {"id": "7", "question": "…", "model": …}       any field of `Question`; without an id it is called `line-N`
    …                                               the question itself, as plain text

Output, one line each, the failed ones in a file of their own:

    {"id": "batch_req_<job id>", "custom_id": "7",
     "response": {"status_code": 200, "request_id": "chatcmpl-…", "body": {…}}, "error": null,
     "askonce": {"line": 7, "source": "semantic", "similarity": 0.97, "matched_question": "…", "billed": false}}
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from askonce.answer import Answer
from askonce.errors import InvalidQuestion
from askonce.question import CacheMode, Question

URL = "/v1/chat/completions"
SHORT_FIELDS = frozenset(
    {"model", "system", "template", "history", "params", "cache", "ttl", "threshold", "semantic", "metadata"}
)
CODES = {"expired": "batch_expired", "cancelled": "batch_cancelled", "invalid_question": "invalid_request"}
"""By the kind of an error that no HTTP status came with; `request_timeout` for all that ended without a reply."""
REQUEST = "batch_req_"


@dataclass(frozen=True, slots=True)
class Form:
    """What lines that are not whole requests are to be filled up with. as_text: a line is a question as it stands."""

    namespace: str
    model: str | None = None
    system: str | None = None
    template: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    cache: CacheMode = "use"
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input. reason: why it holds no question."""

    number: int
    custom_id: str | None = None
    question: Question | None = None
    reason: str | None = None


def read_line(number: int, raw: bytes, form: Form) -> Line:
    """Never raises: what is wrong with a line is its `reason`. The question has all its fields checked."""
    custom_id = None
    try:
        if form.as_text:
            custom_id, question = f"line-{number}", _plain(_decoded(raw), form)
        else:
            record = _object(raw)
            custom_id = _custom_id(record, number)
            question = _short(record, form) if "question" in record else _request(record, form)
        return Line(number, custom_id, question.checked(namespace=form.namespace, model=form.model))
    except InvalidQuestion as error:
        return Line(number, custom_id, reason=str(error))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidQuestion("not UTF-8") from error


def _object(raw: bytes) -> dict[str, Any]:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidQuestion(f"not JSON: {error.msg}") from error
    if not isinstance(record, dict):
        raise InvalidQuestion("not a JSON object")
    return record


def _custom_id(record: dict[str, Any], number: int) -> str:
    name = "id" if "question" in record else "custom_id"
    given = record.get(name)
    if given is None and name == "id":
        return f"line-{number}"
    if given is None:
        raise InvalidQuestion("custom_id is missing")
    if not isinstance(given, str) or not given:
        raise InvalidQuestion(f"{name} is not a text")
    return given


def _request(record: dict[str, Any], form: Form) -> Question:
    if record.get("method") != "POST":
        raise InvalidQuestion("method is not POST")
    if record.get("url") != URL:
        raise InvalidQuestion(f"url is not {URL}")
    if not isinstance(record.get("body"), dict):
        raise InvalidQuestion("body is not an object")
    return Question.from_body(record["body"], cache=form.cache)


def _short(record: dict[str, Any], form: Form) -> Question:
    given = {name: value for name, value in record.items() if name not in ("id", "question")}
    unknown = sorted(given.keys() - SHORT_FIELDS)
    if unknown:
        raise InvalidQuestion(f"unknown field {unknown[0]}")
    if not isinstance(given.get("params", {}), dict):
        raise InvalidQuestion("params is an object")
    return _plain(record["question"], form, given)


def _plain(text: Any, form: Form, given: Mapping[str, Any] | None = None) -> Question:
    fields: dict[str, Any] = {"system": form.system, "template": form.template, "cache": form.cache}
    fields |= given or {}
    fields["params"] = {**form.params, **fields.get("params", {})}
    return Question(text, **fields)


def output_record(line: Line, job_id: str, answer: Answer) -> dict[str, Any]:
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
            "body": _body(job_id, answer),
        }
        record["askonce"] = {
            "line": line.number,
            "source": answer.source,
            "similarity": answer.similarity,
            "matched_question": answer.matched_question,
            "billed": answer.source == "llm",
        }
    if line.question is not None and line.question.metadata is not None:
        record["askonce"]["metadata"] = line.question.metadata
    return record


def _failure(line: Line, job_id: str, answer: Answer) -> dict[str, Any]:
    error = answer.error
    assert error is not None
    facts = {"line": line.number, "kind": error.kind, "billed": False}
    if error.status is not None and error.status >= 400:
        detail = answer.body.get("error", answer.body) if answer.body else None
        if not isinstance(detail, Mapping):
            detail = {"message": error.message, "type": error.kind, "param": None, "code": None}
        response = {"status_code": error.status, "request_id": job_id, "body": {"error": detail}}
        return {"response": response, "askonce": facts}
    code = CODES.get(error.kind, "request_timeout")
    message = error.message if code != "request_timeout" else f"{error.kind}: {error.message}"
    return {"error": _error(code, message, line.number), "askonce": facts}


def _error(code: str, message: str, line: int) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line}


def _request_id(job_id: str, answer: Answer) -> str:
    own = answer.body.get("id") if answer.body is not None and answer.source == "llm" else None
    return own if isinstance(own, str) else job_id


def _body(job_id: str, answer: Answer) -> Mapping[str, Any]:
    """As the provider sent it; an answer that was put into the cache by hand gets what the format demands."""
    body = answer.body or {}
    if "id" in body and "created" in body:
        return body
    return {"id": f"chatcmpl-{job_id}", "created": answer.cached_at or int(time.time()), **body}

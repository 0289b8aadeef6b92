"""The lines of a batch's files: requests and results. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from askonce.json_values import dumps
from askonce.question import Question
from askonce.readable import read_object
from askonce_worker.answering.ports import LLMError
from askonce_worker.logs.redaction import Redactor
from askonce_worker.parked.provider_api import ENDPOINT
from askonce_worker.providers.completion_reply import read_completion, repaired
from askonce_worker.providers.error_reply import read_error
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import judge_status

OK, NOT_OK = 200, 400
"""Any other status, such as 0, says nothing about the question."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a line.

    kind: `answered` (body); `failed` permanently (failure); `again`: it moves on.
    billed: a reply without an answer, for which the provider may still have counted tokens.
    """

    id: str
    kind: Literal["answered", "failed", "again"]
    body: dict[str, Any] | None = None
    failure: dict[str, Any] | None = None
    billed: Mapping[str, Any] | None = None


def request_line(name: str, question: Question) -> bytes:
    """The request of a line, with its line feed."""
    line = {"custom_id": name, "method": "POST", "url": ENDPOINT, "body": question.request()}
    return dumps(line) + b"\n"


def read_line(raw: bytes, redactor: Redactor) -> Outcome | None:
    """The outcome of a line; None if it names no request or is malformed."""
    try:
        line = read_object(repaired(raw))
    except ValueError:
        return None
    name = line.get("custom_id")
    if not isinstance(name, str):
        return None
    response = line.get("response")
    if not isinstance(response, dict):
        return Outcome(name, "again")  # never asked, or unknown
    status = response.get("status_code")
    body = dumps(response.get("body"))
    if status == OK or (status is None and isinstance(response.get("body"), dict) and not line.get("error")):
        return _answered(name, body, redactor)
    return _refused(name, status if isinstance(status, int) and status >= NOT_OK else 500, body, redactor)


def _answered(name: str, body: bytes, redactor: Redactor) -> Outcome:
    try:
        return Outcome(name, "answered", read_completion(body, redactor))
    except ProviderError as error:
        return _failed(name, error, error.billed) if error.final else Outcome(name, "again", billed=error.billed)


def _refused(name: str, status: int, body: bytes, redactor: Redactor) -> Outcome:
    reply = read_error(body, redactor)
    decision = judge_status(status, *reply.codes)
    if not decision.final or decision.kind == "quota":
        return Outcome(name, "again")
    words = f"the provider answered {status}" + (f": {reply.words}" if reply.words else "")
    return _failed(name, LLMError(decision.kind, words, final=True, status=status, body=reply.body))


def _failed(name: str, error: LLMError, billed: Mapping[str, Any] | None = None) -> Outcome:
    body = error.body if isinstance(error.body, dict) else None
    failure = {"error": {"kind": error.kind, "message": error.message, "status": error.status}, "body": body}
    return Outcome(name, "failed", failure=failure, billed=billed)

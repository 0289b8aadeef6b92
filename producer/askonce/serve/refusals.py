"""Errors in the form that OpenAI clients expect: a status, and `{"error": {"message", "type", …}}`."""

from typing import Any

import orjson
from starlette.responses import Response

from askonce.answer import Answer
from askonce.errors import (
    AnswerTimeout,
    AskOnceError,
    InvalidQuestion,
    QuestionFailed,
    QueueFull,
    StoreUnreachable,
    UnknownJob,
)

STATUSES = {
    "bad_request": 400,
    "invalid_question": 400,
    "quota": 429,
    "rate_limit": 429,
    "budget": 429,
    "timeout": 408,
    "expired": 408,
    "cancelled": 409,
    "unknown_job": 404,
    "invalid_answer": 502,
}
"""Statuses by kind of error, if the provider sent none. Any other kind is 503, since it may be temporary."""
TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
SPENT = frozenset({"quota", "budget"})
"""Kinds that OpenAI's clients know as `insufficient_quota`."""
FINAL = frozenset({"quota", "budget", "bad_request", "invalid_question", "invalid_answer"})
"""Kinds that clients must not retry."""
TOO_MANY = 429
BAD_REPLY = 502
"""The status if the provider reported success but sent no usable answer."""
AGAIN = 5.0
"""Seconds after which to retry if the provider was unreachable or busy: the worker has already tried five times."""


class Refused(Exception):
    """A request that gets no answer. retry_after: seconds. final: whether clients must not retry."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float = 0,
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.retry_after = status, message, code, param, retry_after
        self.final = final

    def response(self) -> Response:
        kind = TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        headers = {} if not self.retry_after else {"retry-after": str(max(1, round(self.retry_after)))}
        if self.final:
            headers["x-should-retry"] = "false"
        return json_response({"error": error}, self.status, headers)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def refusal_of(error: AskOnceError) -> Response:
    """The reply to a request that `Client` could not answer."""
    if isinstance(error, QuestionFailed):
        return _failed(error.answer)
    return _refused(error).response()


def _insufficient(message: str) -> Response:
    error = {"message": message, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
    return json_response({"error": error}, TOO_MANY)


def _refused(error: AskOnceError) -> Refused:
    if isinstance(error, InvalidQuestion):
        return Refused(400, str(error), code="invalid_question")
    if isinstance(error, UnknownJob):
        return Refused(404, str(error), code="unknown_job")
    if isinstance(error, AnswerTimeout):
        return Refused(408, "no answer yet; repeat the same request to keep waiting for it", code="timeout")
    if isinstance(error, QueueFull):
        return Refused(429, str(error), code="queue_full", retry_after=error.retry_after)
    if isinstance(error, StoreUnreachable):
        return Refused(503, "the store cannot be reached", code="store_unreachable", retry_after=1)
    return Refused(503, str(error), code="unavailable", retry_after=AGAIN)


def _failed(answer: Answer) -> Response:
    """The provider's own status and body if it sent them."""
    error = answer.error
    kind, message = (error.kind, error.message) if error is not None else ("server_error", "failed")
    headers = {"x-askonce-error": kind} | ({"x-should-retry": "false"} if kind in FINAL else {})
    if answer.job_id is not None:
        headers["x-askonce-job-id"] = answer.job_id
    given = error.status if error is not None else None
    if given is not None and given < 400:
        given = BAD_REPLY
    if given is not None and answer.body:
        return json_response({"error": answer.body}, given, headers)
    status = given or STATUSES.get(kind, 503)
    again = AGAIN if kind not in FINAL and status in {429, 503} else 0
    response = Refused(status, message, code=kind, retry_after=again).response()
    if kind in SPENT and status == TOO_MANY:
        response = _insufficient(message)
    response.headers.update(headers)
    return response

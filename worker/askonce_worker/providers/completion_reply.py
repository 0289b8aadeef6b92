"""Reads a provider's completion or response. Anything else becomes an error with the provider's code."""

import json
from typing import Any

from askonce.contract.completion import fault
from askonce.readable import MAX_ANSWER_BYTES, completion_of, read_json
from askonce.replies.responses import response_of
from askonce_worker.logs.redaction import Redactor
from askonce_worker.providers.error_reply import error_in, is_html
from askonce_worker.providers.provider import ProviderError
from askonce_worker.providers.retry import RetryDecision, judge_error

INVALID = RetryDecision("invalid_response", final=False)
OK = 200
SUCCESS = ("0", "200")
"""Codes of gateways that send one with every reply."""


def read_completion(raw: bytes, redactor: Redactor, endpoint: str = "chat") -> dict[str, Any]:
    """The body of a completion: at least one choice, each with a message, none cut off by a fault. Or of a response:
    items that have a type.

    A `model` or `usage` of the wrong type is dropped, because the answer was paid for. Raises ProviderError.
    """
    try:
        body = read_json(repaired(raw), MAX_ANSWER_BYTES)
    except ValueError as error:
        raise ProviderError(INVALID, _unreadable(raw), status=OK) from error
    if not isinstance(body, dict):
        raise _failed("the provider's reply is not an object", body, {}, redactor, unnamed=INVALID)
    for name, kind in (("model", str), ("usage", dict)):
        if not isinstance(body.get(name), kind | None):
            del body[name]
    if body.get("error"):
        raise _failed("the provider sent an error instead of an answer", {"error": body["error"]}, body, redactor)
    try:
        completion = response_of({**body, "object": "response"}) if endpoint == "responses" else completion_of(body)
    except ValueError as error:
        lacks = "has no output" if endpoint == "responses" else "has no choice"
        raise _failed(f"the provider's reply {lacks}", body, body, redactor, unnamed=INVALID) from error
    broken = fault(completion)
    if broken is not None:
        errors = (choice["error"] for choice in completion.get("choices") or () if choice.get("error"))
        raise _failed("the provider aborted the answer", {"error": next(errors, broken)}, body, redactor)
    return completion


def _failed(
    summary: str,
    error: Any,
    body: dict[str, Any],
    redactor: Redactor,
    *,
    unnamed: RetryDecision | None = None,
) -> ProviderError:
    """An error in a reply with status 200 is judged by its own code and type.

    unnamed: the decision if it has no code.
    """
    reply = error_in(error, redactor)
    codes = [code for code in reply.codes if code not in SUCCESS]
    status = next((int(code) for code in codes if code.isdecimal() and 400 <= int(code) < 600), OK)
    return ProviderError(
        unnamed if unnamed is not None and not (codes and reply.words) else judge_error(codes),
        summary,
        words=reply.words,
        status=status,
        body=reply.body,
        retry_after=reply.pause,
        billed=body,
    )


def _unreadable(raw: bytes) -> str:
    if len(raw) > MAX_ANSWER_BYTES:
        return "the provider's reply is too large"
    if is_html(raw[:1000].decode("utf-8", "replace")):
        return "the provider's reply is an HTML page: is the base URL right?"
    return "the provider's reply is empty" if not raw.strip() else "the provider's reply is not JSON"


def repaired(raw: bytes) -> bytes:
    """Replaces a lone surrogate by a question mark: models cut emoji in two, and the answer was paid for."""
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return raw

"""Reads providers' errors of any shape. Pure.

Shapes that are understood, by who sends them:

    {"error": {"message", "type", "code"}}                      OpenAI, DeepSeek, Ollama, vLLM (since 0.10)
    {"error": {"message", "code": 502, "metadata": {"raw"}}}    OpenRouter: the upstream's own words are in `raw`
    {"error": {"code": "DeploymentNotFound", "message", "innererror"}}, {"statusCode", "message"}     Azure
    {"object": "error", "message", "type", "code": 400}         vLLM (before), Mistral (`message` may be an object)
    {"detail": …}, with a list of {"loc", "msg"}                FastAPI servers, Mistral
    [{"error": {"code", "message", "status"}}]                  Gemini
    {"base_resp": {"status_code", "status_msg"}}                MiniMax
    {"error_code", "error_msg"}                                 Baidu
    {"fault": {"faultstring"}}, {"errors": […]}                 Apigee, Cloudflare
    {"error": "…"}, plain text, an HTML page                    gateways, Ollama's own API
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.readable import read_json
from askonce_worker.logs.redaction import Redactor

MOST_WORDS = 500
"""Characters of a provider's words in an error message."""
MOST_BODY = 65_536
"""Bytes of a provider's error that are kept."""
CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
KEYS = re.compile(r"\b(?:sk|gsk|xai|key|AIza)[-_]?[\w-]{16,}|(?<=Bearer )[\w.~+/=-]+", re.IGNORECASE)
"""Matches keys of any provider: a gateway may quote its own."""
TAGS = re.compile(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
WORDY = (
    "message", "Message", "error", "Error", "error_msg", "status_msg", "faultstring", "detail", "msg",
    "error_description", "errors", "fault", "base_resp", "title", "reason", "raw",
)  # fmt: skip
"""Fields that hold the words, the usual ones first."""
CODES = ("code", "Code", "type", "status", "statusCode", "error_code", "status_code")
INNER = ("error", "Error", "base_resp", "fault", "errors")
"""Fields that hold the error object, or a list that begins with it."""
DEEPEST = 5


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """words: for people, '' if there are none. codes: the provider's names for the error. pause: seconds it asks for.

    body: an error object of OpenAI's shape, at least its `message`. None if nothing was sent.
    """

    words: str = ""
    codes: tuple[str, ...] = ()
    pause: float | None = None
    body: dict[str, Any] | None = None


def read_error(raw: bytes, redactor: Redactor) -> ErrorReply:
    """Reads the body of an error reply. Never raises."""
    try:
        reply = read_json(raw)
    except ValueError:
        reply = raw.decode("utf-8", "replace")
    return error_in(reply, redactor)


def error_in(reply: Any, redactor: Redactor) -> ErrorReply:
    """Like `read_error`, for a parsed reply."""
    error = _error_object(reply)
    words = " ".join(dict.fromkeys(_words(reply, DEEPEST)))
    words = _hidden(" ".join(words.split()), redactor)[:MOST_WORDS]
    codes = tuple(_codes(error))
    return ErrorReply(words, codes, _pause(error), _body(reply, error, words, codes, redactor))


def is_html(text: str) -> bool:
    return text.lstrip()[:200].lower().startswith(("<!doctype html", "<html", "<head", "<body"))


def _error_object(reply: Any) -> Mapping[str, Any]:
    """The innermost object that describes the error."""
    if isinstance(reply, list):
        return _error_object(reply[0]) if reply else {}
    if not isinstance(reply, Mapping):
        return {}
    for name in INNER:
        inner = reply.get(name)
        if isinstance(inner, list):
            inner = next(iter(inner), None)
        if isinstance(inner, Mapping):
            return inner
    return reply


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    for name in CODES:
        code = error.get(name)
        if isinstance(code, str | int) and not isinstance(code, bool) and CODE.fullmatch(str(code)):
            yield str(code)


def _words(value: Any, left: int) -> Iterator[str]:
    """Human-readable strings, most important first."""
    if isinstance(value, str):
        yield _text(value)
    elif left and isinstance(value, list):
        for item in value[:3]:
            yield from _words(item, left - 1)
    elif left and isinstance(value, Mapping):
        found = next((value[name] for name in WORDY if value.get(name)), "")
        where = value.get("loc")
        prefix = f"{'.'.join(map(str, where))}: " if isinstance(where, list) else ""
        for words in _words(found, left - 1):
            yield prefix + words
        yield from _words(value.get("metadata"), left - 1)


def _text(text: str) -> str:
    """An HTML page by its title."""
    if not is_html(text):
        return text
    title = TITLE.search(text)
    return f"an HTML page: {title[1] if title else TAGS.sub(' ', text)}"


def _pause(error: Mapping[str, Any]) -> float | None:
    """Gemini names its pause in `details`, as `google.rpc.RetryInfo`: {"retryDelay": "36s"}."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,9})?)s", delay) if isinstance(delay, str) else None
        if found:
            return float(found[1])
    return None


def _body(
    reply: Any, error: Mapping[str, Any], words: str, codes: tuple[str, ...], redactor: Redactor
) -> dict[str, Any] | None:
    """OpenAI's error object as it came; of all other shapes one like it, with the whole reply inside."""
    if not words and not error:
        return None
    known = isinstance(error.get("message"), str)
    body = dict(error) if known else {"message": words, "type": None, "param": None, "code": next(iter(codes), None)}
    if not known and not isinstance(reply, str):
        body["reply"] = reply
    raw = orjson.dumps(body)
    kept: dict[str, Any] = (
        orjson.loads(_hidden(raw.decode(), redactor)) if len(raw) <= MOST_BODY else {"message": words}
    )
    return kept


def _hidden(text: str, redactor: Redactor) -> str:
    """Without keys. What is JSON stays JSON."""
    return KEYS.sub("***", redactor(text))

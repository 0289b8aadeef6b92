"""Input lines: requests in OpenAI's Batch format, and shorter forms.

    {"custom_id": "7", "method": "POST", "url": "/v1/chat/completions", "body": {"model": …, "messages": […]}}
    {"id": "7", "question": "…", "model": …}       any field of `Question`; `prompt` is an alias of `question`
    {"id": "7", "messages": […], "temperature": 0}  a chat completion's own fields
    …                                               the question itself, as plain text

A request may be one to `/v1/responses` or `/v1/embeddings`, too; all inputs of an embeddings request are one question.
A short line without an id is called `line-N`. Its fields that are null are absent.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from askonce.batch.chat_params import FURTHER_PARAMS, PARAMS
from askonce.errors import InvalidQuestion
from askonce.json_values import loads
from askonce.question import CacheMode, Endpoint, Question, Tier
from askonce.schemas.wanted import Schema, schema_in
from askonce.tables.lines import RawLine

URLS: Mapping[Any, Endpoint] = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/embeddings": "embeddings",
}
REQUEST_FIELDS = frozenset({"method", "url", "body"})
ID_FIELDS = ("custom_id", "id")
CONTENT_FIELDS = ("question", "prompt", "messages")
OWN_FIELDS = frozenset({"cache", "ttl", "threshold", "semantic", "metadata", "tier", "schema"})
SHORT_FIELDS = OWN_FIELDS | {"model", "system", "template", "history", "params"}
ALIKE = 0.8
"""Minimum similarity at which an unknown field counts as a misspelling of a known one."""


@dataclass(frozen=True, slots=True)
class Form:
    """Defaults for lines that are not whole requests.

    Attributes:
        as_text: A line is a question as it stands.
        schema: What answers must fit, even those to whole requests. A line's own schema takes precedence.
    """

    namespace: str
    model: str | None = None
    system: str | None = None
    template: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    cache: CacheMode = "use"
    tier: Tier | None = None
    as_text: bool = False
    schema: Schema | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the input.

    Attributes:
        question: The question, fully checked. None for a malformed line.
        reason: Why the line is malformed.
        needs_model: It is malformed only because it has no model.
    """

    number: int
    custom_id: str | None = None
    question: Question | None = None
    reason: str | None = None
    needs_model: bool = False


def read_line(number: int, raw: bytes, form: Form) -> Line:
    """Never raises: a malformed line has a `reason`."""
    custom_id = None
    try:
        if form.as_text:
            custom_id, question = f"line-{number}", _filled(decoded(raw), form, {})
        else:
            record = _object(raw)
            is_request = any(record.get(name) is not None for name in REQUEST_FIELDS)
            custom_id = _custom_id(record, number, required=is_request)
            question = _request(record, form) if is_request else _short(record, form)
        question = question.filled(namespace=form.namespace, model=form.model)
        if question.model is None:
            reason = "no model: set it in the line, with --model, or in ASKONCE_MODEL"
            return Line(number, custom_id, reason=reason, needs_model=True)
        question.check()
        return Line(number, custom_id, question)
    except InvalidQuestion as error:
        return Line(number, custom_id, reason=str(error))


def read_raw(raw: RawLine, form: Form) -> Line:
    if raw.data is None:
        return Line(raw.number, reason=raw.reason)
    return read_line(raw.number, raw.data, form)


def decoded(raw: bytes) -> str:
    """Raises InvalidQuestion, which names the byte."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        byte = f"byte 0x{raw[error.start]:02x} at {error.start + 1}"
        raise InvalidQuestion(f"not UTF-8 ({byte}): save the file as UTF-8") from error


def _object(raw: bytes) -> dict[str, Any]:
    try:
        record = loads(raw)
    except ValueError as error:
        decoded(raw)
        raise InvalidQuestion(f"not JSON: {getattr(error, 'msg', error)}") from error
    if not isinstance(record, dict):
        raise InvalidQuestion("not a JSON object")
    return record


def _custom_id(record: Mapping[str, Any], number: int, *, required: bool) -> str:
    names = ID_FIELDS[:1] if required else ID_FIELDS
    name = next((name for name in names if record.get(name) is not None), None)
    if name is None and required:
        raise InvalidQuestion("custom_id is missing")
    if name is None:
        return f"line-{number}"
    given = record[name]
    if isinstance(given, int | float) and not isinstance(given, bool):
        raise InvalidQuestion(f'{name} is the number {given}: write it as a string, "{given}"')
    if not isinstance(given, str) or not given:
        raise InvalidQuestion(f"{name} must be a non-empty string")
    return given


def _request(record: Mapping[str, Any], form: Form) -> Question:
    if record.get("method") != "POST":
        raise InvalidQuestion("method is not POST")
    url = record.get("url")
    endpoint = URLS.get(url) if isinstance(url, str) else None
    if endpoint is None:
        raise InvalidQuestion(f"url must be one of {', '.join(URLS)}")
    if not isinstance(record.get("body"), dict):
        raise InvalidQuestion("body is not an object")
    schema = _schema(form, record["body"], endpoint)
    return Question.from_body(record["body"], endpoint=endpoint, cache=form.cache, tier=form.tier, schema=schema)


def _schema(form: Form, params: Mapping[str, Any], endpoint: Endpoint = "chat") -> Schema | None:
    """The schema for a line that has none of its own, other than one it may send to the provider."""
    return True if form.schema is not None and schema_in(params, endpoint) is not None else form.schema


def _short(record: Mapping[str, Any], form: Form) -> Question:
    given = {name: value for name, value in record.items() if value is not None and name not in ID_FIELDS}
    contents = [name for name in CONTENT_FIELDS if name in given]
    if not contents:
        raise InvalidQuestion(_without_content(given))
    if len(contents) > 1:
        raise InvalidQuestion(f"{' and '.join(contents)}: a line has one of them")
    if not isinstance(given.get("params", {}), dict):
        raise InvalidQuestion("params must be an object")
    content = given.pop(contents[0])
    if contents[0] == "messages":
        return _conversation(content, form, given)
    unknown = sorted(given.keys() - SHORT_FIELDS)
    if unknown:
        raise InvalidQuestion(_unknown(unknown[0]))
    return _filled(content, form, given)


def _without_content(given: Mapping[str, Any]) -> str:
    """Why a line without a question is malformed."""
    known = [*CONTENT_FIELDS, *SHORT_FIELDS, *REQUEST_FIELDS, *PARAMS]
    for name in sorted(given.keys() - SHORT_FIELDS):
        if nearest := difflib.get_close_matches(name, known, 1):
            return f"unknown field {name}: did you mean {nearest[0]}?"
    found = f"it has {', '.join(sorted(given))}" if given else "it is empty"
    return f"neither question, prompt, messages nor a whole request ({found})"


def _unknown(name: str) -> str:
    if name in PARAMS:
        return f'{name} belongs in params: {{"params": {{"{name}": …}}}}'
    nearest = difflib.get_close_matches(name, [*SHORT_FIELDS, *PARAMS, *CONTENT_FIELDS, *ID_FIELDS], 1)
    if not nearest:
        return f"unknown field {name}"
    return f"unknown field {name}: did you mean {nearest[0]}{', in params' if nearest[0] in PARAMS else ''}?"


def _filled(text: Any, form: Form, given: Mapping[str, Any]) -> Question:
    params = {**form.params, **given.get("params", {})}
    own = {"cache": form.cache, "tier": form.tier, "schema": _schema(form, params)}
    fields: dict[str, Any] = {"system": form.system, "template": form.template, **own, **given}
    return Question(text, **{**fields, "params": params})


def _conversation(messages: Any, form: Form, given: Mapping[str, Any]) -> Question:
    """A chat-completion request. Fields that are not askonce's are its parameters; a misspelt one is refused."""
    _refuse_misspelt(given)
    refused = sorted(given.keys() & {"system", "template", "history"})
    if refused:
        raise InvalidQuestion(f"{refused[0]} and messages: put it into the messages")
    own = {name: value for name, value in given.items() if name in OWN_FIELDS}
    other = {name: value for name, value in given.items() if name not in OWN_FIELDS and name != "params"}
    if form.system is not None and isinstance(messages, list) and not _has_system(messages):
        messages = [{"role": "system", "content": form.system}, *messages]
    body = {**form.params, **given.get("params", {}), **other, "messages": messages}
    return Question.from_body(body, **{"cache": form.cache, "tier": form.tier, "schema": _schema(form, body), **own})


def _refuse_misspelt(given: Mapping[str, Any]) -> None:
    known = [*SHORT_FIELDS, *PARAMS, *ID_FIELDS]
    for name in sorted(given.keys() - SHORT_FIELDS - PARAMS - FURTHER_PARAMS):
        if nearest := difflib.get_close_matches(name, known, 1, ALIKE):
            advice = f'a parameter of that name belongs in params: {{"params": {{"{name}": …}}}}'
            raise InvalidQuestion(f"unknown field {name}: did you mean {nearest[0]}? ({advice})")


def _has_system(messages: list[Any]) -> bool:
    return any(isinstance(message, dict) and message.get("role") in ("system", "developer") for message in messages)

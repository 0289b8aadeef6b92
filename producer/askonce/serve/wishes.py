"""What a request asks of askonce: in headers `x-askonce-…`, or in `askonce` of its body. The provider never sees it.

x-askonce-cache: use | refresh | bypass
x-askonce-ttl: seconds for which the answer may be reused
x-askonce-threshold: least cosine similarity of a match; it may only tighten the workers'
x-askonce-namespace: the tenant, where the key does not name one
x-askonce-schema: true | false; true: the answer has to fit the JSON schema of the request, or be repaired, or fail
x-askonce-template: the fixed text around what varies in the last message, with {text} in its place; percent-encoded
"""

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import unquote

from askonce.contract.access_key import AccessKey
from askonce.errors import InvalidQuestion
from askonce.question import Endpoint, Question, QuestionFields
from askonce.question_checks import PLACEHOLDER, check_namespace, check_options, require
from askonce.serve.refusals import Refused

BODY = "askonce"
HEADER = "x-askonce-"
NUMBERS = ("ttl", "threshold")
WISHES = ("cache", *NUMBERS, "namespace", "schema", "template")
STREAMING = ("stream", "stream_options")
SCHEMA = "schema must be true or false: the schema itself belongs in the request"
TEMPLATE = f"a template must contain {PLACEHOLDER} once"
CHECKS: dict[str, Callable[[Any], None]] = {
    "cache": lambda value: check_options(value, True, None, None, None),
    "ttl": lambda value: check_options("use", True, value, None, None),
    "threshold": lambda value: check_options("use", True, None, value, None),
    "namespace": check_namespace,
    "schema": lambda value: require(isinstance(value, bool), SCHEMA),
    "template": lambda value: require(isinstance(value, str) and value.count(PLACEHOLDER) == 1, TEMPLATE),
}


def question_of(
    body: Mapping[str, Any], headers: Mapping[str, str], key: AccessKey, endpoint: Endpoint = "chat"
) -> Question:
    """The question that a request with this key asks, in the key's namespace, if it has one, and at its expense.

    Raises Refused, InvalidQuestion.
    """
    fields, namespace = _fields(body.get(BODY), headers), key.namespace
    template = fields.pop("template", None)
    if namespace is not None:
        if fields.get("namespace") not in (None, namespace):
            raise Refused(403, f"this key is only valid for the namespace {namespace!r}", code="namespace")
        fields["namespace"] = namespace
    asked = {name: value for name, value in body.items() if name not in (*STREAMING, BODY)}
    fields["endpoint"] = endpoint
    question = Question.from_body(asked, **fields).with_fields(payer=key.payer)
    return question if template is None else _taken_out(template, question)


def _fields(of_body: Any, headers: Mapping[str, str]) -> QuestionFields:
    """The headers win: a proxy sets them without reading the body."""
    if of_body is not None and not isinstance(of_body, Mapping):
        raise Refused(400, f"{BODY} must be an object", param=BODY)
    strangers = [name for name in headers if name.startswith(HEADER) and name.removeprefix(HEADER) not in WISHES]
    if strangers:
        names = ", ".join(HEADER + name for name in WISHES)
        raise Refused(400, f"there is no {strangers[0]}: there are {names}", param=strangers[0])
    of_headers = {name: _header(name, value) for name in WISHES if (value := headers.get(HEADER + name)) is not None}
    wishes = {**(of_body or {}), **of_headers}
    unknown = wishes.keys() - set(WISHES)
    if unknown:
        raise Refused(400, f"{BODY} has no {min(unknown)!r}: it has {', '.join(WISHES)}", param=BODY)
    for name, value in wishes.items():
        if value is not None:
            _check(name, value, HEADER + name if name in of_headers else BODY)
    if not wishes.get("schema"):
        wishes.pop("schema", None)
    return cast(QuestionFields, wishes)


def _check(name: str, value: Any, where: str) -> None:
    """Raises Refused, which says where a value stands that will not do."""
    try:
        CHECKS[name](value)
    except InvalidQuestion as error:
        raise Refused(400, f"{where}: {error}", param=where, code="invalid_question") from None


def _header(name: str, value: str) -> str | float:
    if name == "template":
        return unquote(value)
    if name == "schema":
        return {"true": True, "false": False}.get(value, value)
    if name not in NUMBERS:
        return value
    try:
        return float(value)
    except ValueError:
        raise Refused(400, f"{HEADER}{name}: {value!r} is not a number", param=HEADER + name) from None


def _taken_out(template: str, question: Question) -> Question:
    """The question with the varying text alone. Raises Refused if the last message does not match this template."""
    head, _, tail = template.partition(PLACEHOLDER)
    text = question.text
    if question.messages is not None or len(text) <= len(head) + len(tail) or not _is_around(head, tail, text):
        raise Refused(400, "the last message does not match this template", param="template")
    return question.with_fields(text=text[len(head) : len(text) - len(tail)], template=template)


def _is_around(head: str, tail: str, text: str) -> bool:
    return text.startswith(head) and text.endswith(tail)

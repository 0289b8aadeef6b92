"""What a completion is worth: whether it may be kept, and who else may have it. Pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson

from askonce.answer import text_body
from askonce.errors import InvalidQuestion
from askonce.readable import MAX_ANSWER_BYTES, completion_of, read_json


class Verdict(Enum):
    GOOD = "good"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REFUSED = "refused"


def verdict(body: Mapping[str, Any]) -> Verdict:
    """The worst of its choices. Refused means that the provider says so, never a guess from the text."""
    order = [Verdict.REFUSED, Verdict.TRUNCATED, Verdict.EMPTY, Verdict.GOOD]
    return min((_of_choice(choice) for choice in body["choices"]), key=order.index)


def _of_choice(choice: Mapping[str, Any]) -> Verdict:
    message = choice.get("message") or {}
    reason = choice.get("finish_reason")
    if message.get("refusal") or reason == "content_filter":
        return Verdict.REFUSED
    if reason not in ("stop", "tool_calls"):
        return Verdict.TRUNCATED
    content = message.get("content")
    if message.get("tool_calls") or (isinstance(content, str) and content.strip()):
        return Verdict.GOOD
    return Verdict.EMPTY


def checked_body(answer: str | Mapping[str, Any], *, model: str, usage: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The completion as it may be kept: made of a text, or a provider's own. Raises InvalidQuestion."""
    if not isinstance(usage, Mapping | None):
        raise InvalidQuestion("usage is no object")
    if isinstance(answer, str):
        answer = text_body(answer, model=model, usage=usage)
    try:
        found = verdict(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidQuestion("the answer is neither a text nor a chat completion") from error
    if found is not Verdict.GOOD:
        raise InvalidQuestion(f"the answer is {found.value}")
    try:
        completion_of(read_json(orjson.dumps(answer), MAX_ANSWER_BYTES))
    except (ValueError, TypeError) as error:
        raise InvalidQuestion(f"the answer cannot be kept: {error}") from error
    return answer

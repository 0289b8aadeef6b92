"""A request to the Responses API as the fields of a question, and which of them may not be answered from a cache."""

from collections.abc import Mapping, Sequence
from typing import Any

from askonce.canonical_endpoints import canonical_item
from askonce.errors import InvalidQuestion
from askonce.question_checks import require

STATE = ("previous_response_id", "conversation", "background", "prompt", "context_management")
"""Parameters whose answer depends on what the provider keeps: earlier responses, conversations, prompts."""
OURS = frozenset({"function", "custom"})
"""Tools that the application runs. All others are run by the provider, or change what it has."""
KEPT_THERE = frozenset({"item_reference", "compaction_trigger"})
"""Input items that refer to something stored elsewhere."""


def fields_of_response(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the question that a request asks. Raises InvalidQuestion.

    Input that is text, or whose last item is plain text of the user, has it as the question's text; any other is kept
    whole.
    """
    model, instructions, given = body.get("model"), body.get("instructions"), body.get("input")
    require(isinstance(model, str | None), "the model's name is malformed")
    require(isinstance(instructions, str | None), "instructions must be a string")
    params = {key: value for key, value in body.items() if key not in ("input", "instructions", "model")}
    return {"model": model, "system": instructions, "params": params, **_fields_of_input(given)}


def is_stateful(params: Any, items: Any) -> bool:
    """Whether the answer depends on more than the request, so that it is never cached."""
    known: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
    if any(known.get(name) for name in STATE):
        return True
    tools = known.get("tools")
    if isinstance(tools, list | tuple) and not all(_kind(tool) in OURS for tool in tools):
        return True
    return isinstance(items, list | tuple) and any(_kind(item) in KEPT_THERE or _is_reference(item) for item in items)


def _fields_of_input(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"text": given}
    if given is None:  # a prompt that the provider keeps says it all
        return {"text": "[prompt]", "messages": ()}
    if not isinstance(given, list) or not given or not all(isinstance(item, dict) for item in given):
        raise InvalidQuestion("input must be a text, or a non-empty list of objects")
    *before, last = given
    plain = canonical_item(last)
    text = plain.get("content")
    if plain.keys() == {"role", "content"} and plain["role"] == "user" and isinstance(text, str):
        return {"text": text, "history": tuple(before)}
    return {"text": _visible(last), "messages": tuple(given)}


def _visible(item: Mapping[str, Any]) -> str:
    """Something to show for input whose last item is not plain text."""
    content = item.get("content", item.get("output"))
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    words = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    shown = "\n".join(words) if words else content
    return shown if isinstance(shown, str) and shown.strip() else f"[{_kind(item) or item.get('role', 'item')}]"


def _kind(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else None


def _is_reference(item: Any) -> bool:
    """`{"id": "…"}` alone is one too."""
    return isinstance(item, Mapping) and "id" in item and item.keys() <= {"id", "type"}

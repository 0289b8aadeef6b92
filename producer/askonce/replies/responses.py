"""Bodies of the Responses API: a list of items. Messages and calls of functions and custom tools are the model's
answer; all others are intermediate steps."""

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from askonce.readable import message_text

ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The arguments field of each kind of call."""


def is_response(body: Any) -> bool:
    return isinstance(body, Mapping) and body.get("object") == "response"


def response_of(body: Any) -> dict[str, Any]:
    """Checks a response: each output item has a type. Raises ValueError."""
    output = body.get("output") if isinstance(body, dict) else None
    if not isinstance(output, list) or not all(map(_is_item, output)):
        raise ValueError("no response")
    if not isinstance(body.get("model"), str | None) or not isinstance(body.get("usage"), dict | None):
        raise ValueError("a response with a malformed model or usage")
    known: dict[str, Any] = body
    return known


def as_message(body: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the model said, as one chat-completion message."""
    parts = [part for item in body.get("output") or () for part in _parts(item)]
    refusals = [part["refusal"] for part in parts if isinstance(part.get("refusal"), str)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": message_text({"content": parts}),
        "refusal": "".join(refusals) or None,
    }
    calls = list(_calls(body))
    return {**message, "tool_calls": calls} if calls else message


def ending_of(body: Mapping[str, Any]) -> str | None:
    """Why it ended: `completed`, the reason it is incomplete, or else its status."""
    details = body.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    ending = reason if isinstance(reason, str) else body.get("status")
    return ending if isinstance(ending, str) else None


def text_response(text: str, *, model: str, usage: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A response around a text that no provider sent."""
    part = {"type": "output_text", "text": text, "annotations": []}
    name = secrets.token_hex(16)
    message = {"id": f"msg_{name}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "model": model,
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": dict(usage) if usage is not None else None,
    }


def _is_item(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("type"), str)


def _parts(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = item.get("content") if item.get("type") == "message" else None
    for part in content if isinstance(content, list | tuple) else ():
        if isinstance(part, Mapping):
            yield part


def _calls(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for item in body.get("output") or ():
        kind = item.get("type")
        if kind in ARGUMENTS:
            function = {"name": item.get("name"), "arguments": item.get(ARGUMENTS[kind])}
            yield {"id": item.get("call_id"), "type": "function", "function": function}

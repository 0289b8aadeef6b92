"""Turns a response into the Server-Sent Events of a stream.

https://developers.openai.com/api/reference/resources/responses/streaming-events
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import orjson

from askonce.replies.responses import ARGUMENTS
from askonce.serve.completion_chunks import PIECE

CALLS = {"function_call": "function_call_arguments", "custom_tool_call": "custom_tool_call_input"}
"""Event names by type of call."""
WORDS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}
"""The text field of a part, by type, which also names its events."""
LATER = ("usage", "error", "incomplete_details", "completed_at")
"""Fields that a response only has at its end."""

Event = tuple[str, dict[str, Any]]


def response_events(body: Mapping[str, Any]) -> Iterator[bytes]:
    """The events of a response, as the provider would have streamed it. body: the finished response."""
    begun = {**body, "status": "in_progress", "output": [], **{name: None for name in LATER if name in body}}
    numbers = count()
    for name, fields in _events(body, begun):
        yield _event(name, {"sequence_number": next(numbers), **fields})


def failed_response(error: Mapping[str, Any]) -> bytes:
    """The only event if there is no answer: OpenAI's, with the whole `error`, so that its clients raise it."""
    known = {name: error.get(name) for name in ("code", "message", "param")}
    return _event("error", {"sequence_number": 0, **known, "error": error})


def _event(name: str, fields: Mapping[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name, **fields}) + b"\n\n"


def _events(body: Mapping[str, Any], begun: Mapping[str, Any]) -> Iterator[Event]:
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(body.get("output") or ()):
        at = {"output_index": index, "item_id": item.get("id", "")}
        of_kind = KINDS.get(item["type"])
        inside = list(of_kind(item, at)) if of_kind is not None else []
        yield "response.output_item.added", {"output_index": index, "item": _begun(item)}
        yield from inside
        yield "response.output_item.done", {"output_index": index, "item": item}
    status = body.get("status")
    ending = status if status in ("incomplete", "failed") else "completed"
    yield f"response.{ending}", {"response": body}


def _begun(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item without the fields that its events will add."""
    empty = {name: kind() for name, kind in GROWS.get(item["type"], {}).items() if name in item}
    status = {"status": "in_progress"} if "status" in item else {}
    return {**item, **empty, **status}


def _message(item: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[Event]:
    for index, part in enumerate(_listed(item.get("content"))):
        yield from _part(part, {**at, "content_index": index})


def _part(part: Any, at: Mapping[str, Any]) -> Iterator[Event]:
    """A part of unknown type is sent whole."""
    name = part.get("type") if isinstance(part, Mapping) else None
    words = WORDS.get(name, "") if isinstance(name, str) else ""
    text = part.get(words) if words else None
    if not isinstance(text, str):
        yield "response.content_part.added", {**at, "part": part}
        yield "response.content_part.done", {**at, "part": part}
        return
    with_logprobs = name == "output_text"
    annotations = _listed(part.get("annotations"))
    bare = {**part, words: ""} | ({"annotations": [], "logprobs": []} if with_logprobs else {})
    yield "response.content_part.added", {**at, "part": bare}
    for piece in _pieces(text):
        yield f"response.{name}.delta", {**at, "delta": piece} | ({"logprobs": []} if with_logprobs else {})
    for index, annotation in enumerate(annotations):
        note = {"annotation_index": index, "annotation": annotation}
        yield "response.output_text.annotation.added", {**at, **note}
    logprobs = {"logprobs": part.get("logprobs") or []} if with_logprobs else {}
    yield f"response.{name}.done", {**at, words: text, **logprobs}
    yield "response.content_part.done", {**at, "part": part}


def _call(item: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[Event]:
    name, field = CALLS[item["type"]], ARGUMENTS[item["type"]]
    text = item.get(field)
    if isinstance(text, str):
        for piece in _pieces(text):
            yield f"response.{name}.delta", {**at, "delta": piece}
        yield f"response.{name}.done", {**at, field: text}


def _reasoning(item: Mapping[str, Any], at: Mapping[str, Any]) -> Iterator[Event]:
    for index, part in enumerate(_listed(item.get("summary"))):
        here, text = {**at, "summary_index": index}, part.get("text") if isinstance(part, Mapping) else None
        if not isinstance(text, str):
            yield "response.reasoning_summary_part.added", {**here, "part": part}
            yield "response.reasoning_summary_part.done", {**here, "part": part}
            continue
        yield "response.reasoning_summary_part.added", {**here, "part": {**part, "text": ""}}
        for piece in _pieces(text):
            yield "response.reasoning_summary_text.delta", {**here, "delta": piece}
        yield "response.reasoning_summary_text.done", {**here, "text": text}
        yield "response.reasoning_summary_part.done", {**here, "part": part}
    yield from _message(item, at)


def _listed(value: Any) -> Sequence[Any]:
    """The list; empty if it is not one, because the status has already been sent and the answer is paid for."""
    return value if isinstance(value, list) else ()


def _pieces(text: str) -> Iterator[str]:
    return (text[at : at + PIECE] for at in range(0, len(text), PIECE))


KINDS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Iterator[Event]]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _call,
    "custom_tool_call": _call,
}
"""By type of output item. All others are sent whole."""
GROWS: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    "message": {"content": list},
    "reasoning": {"summary": list, "content": list},
    "function_call": {"arguments": str},
    "custom_tool_call": {"input": str},
}

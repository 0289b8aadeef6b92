"""Turns a chat completion into the Server-Sent Events of a stream."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

PIECE = 48
"""Characters of an answer per event."""
END = b"data: [DONE]\n\n"
KEPT = ("id", "created", "model", "system_fingerprint", "service_tier")
WORDS = ("content", "refusal", "reasoning_content", "reasoning")
"""Fields of a message that are streamed in pieces; all others are sent whole."""


def completion_chunks(body: Mapping[str, Any], *, usage: bool) -> Iterator[bytes]:
    """The events of an answer, as the provider would have streamed it.

    Args:
        body: A chat completion.
        usage: Whether an event with the tokens comes last, as `stream_options.include_usage` asks.
    """
    head = {name: body[name] for name in KEPT if name in body} | {"object": "chat.completion.chunk"}
    unused = {"usage": None} if usage else {}
    for choice in body.get("choices") or ():
        index = choice.get("index", 0)
        for delta in _deltas(choice.get("message") or {}):
            yield _event({**head, "choices": [_choice(index, delta, None)], **unused})
        last = _choice(index, {}, choice.get("finish_reason"))
        if choice.get("logprobs") is not None:
            last["logprobs"] = choice["logprobs"]
        yield _event({**head, "choices": [last], **unused})
    if usage:
        yield _event({**head, "choices": [], "usage": body.get("usage")})
    yield END


def failed_chunk(error: Mapping[str, Any]) -> bytes:
    """The last event if there is no answer. OpenAI's clients raise it as an error."""
    return _event({"error": error})


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What each event adds to the message: first the role and everything that is sent whole, then the text in
    pieces."""
    first = {"role": "assistant", **message}
    calls = first.pop("tool_calls", None) or []
    words = {name: first.pop(name) for name in WORDS if isinstance(first.get(name), str)}
    yield {**first, "content": ""} if "content" in words else first
    for name, text in words.items():
        yield from ({name: text[at : at + PIECE]} for at in range(0, len(text), PIECE))
    for index, call in enumerate(calls):
        yield from ({"tool_calls": [part]} for part in _call_parts(index, call))


def _call_parts(index: int, call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """First the function's name, then its arguments in pieces. A call of another type is sent whole."""
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        yield {"index": index, **call}
        return
    arguments: str = function["arguments"]
    yield {"index": index, **call, "function": {**function, "arguments": ""}}
    for at in range(0, len(arguments), PIECE):
        yield {"index": index, "function": {"arguments": arguments[at : at + PIECE]}}


def _choice(index: int, delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _event(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"

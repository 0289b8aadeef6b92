"""The bodies an OpenAI-compatible provider sends, made from what it was sent. Pure but for the call's number."""

import time
import zlib
from base64 import b64encode
from typing import Any

import numpy as np
import orjson

from support.openai_server.script import DEFAULT_ANSWER, Failure, Script
from support.openai_server.vectors import vectors

TROUBLED: dict[str, dict[str, Any]] = {
    "length": {"finish_reason": "length"},
    "content_filter": {"finish_reason": "content_filter"},
    "empty": {"message": {"content": ""}},
    "null_content": {"message": {"content": None}},
    "refusal": {"message": {"content": None, "refusal": "I cannot help with that."}},
    "tool_calls": {
        "finish_reason": "tool_calls",
        "message": {
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    },
    "reply": {},
}
"""Replies that are well-formed and not a plain answer; a rule's `reply` is merged over them."""


def tokens_of(text: str) -> int:
    return len(text) // 4 + 1


def messages_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Of either API: of responses, those among the items of the input."""
    given = request["messages"] if "messages" in request else request.get("input", "")
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def user_text(request: dict[str, Any]) -> str:
    content = next((m.get("content") for m in reversed(messages_of(request)) if m.get("role") == "user"), "")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content or ""


def prompt_tokens(request: dict[str, Any]) -> int:
    return sum(len(m["content"]) if isinstance(m.get("content"), str) else 40 for m in messages_of(request)) // 4 + 1


def error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    kind = "insufficient_quota" if code == "insufficient_quota" else "invalid_request_error"
    return {
        "error": {"message": message, "type": kind if status < 500 else "server_error", "param": None, "code": code}
    }


def schema_of(request: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that a request asks for, by either API."""
    given = (request.get("response_format") or {}).get("json_schema") or (request.get("text") or {}).get("format") or {}
    return given.get("schema")


def instance_of(schema: dict[str, Any]) -> Any:
    """What fits a plain schema: of types, enumerations and properties."""
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {name: instance_of(part) for name, part in schema["properties"].items()}
    of_types = {"string": "some text", "number": 0.5, "integer": 1, "boolean": True, "array": []}
    return of_types.get(schema.get("type"), {})


def said(request: dict[str, Any], script: Script) -> str:
    """What was ordered; without an order, JSON that fits the schema, if there is one."""
    schema = schema_of(request) if script.answer == DEFAULT_ANSWER else None
    return script.answer if schema is None else orjson.dumps(instance_of(schema)).decode()


def completion(
    request: dict[str, Any], raw: bytes, number: int, script: Script, failure: Failure | None
) -> dict[str, Any]:
    """`system_fingerprint` is a checksum of the whole request: two requests that differ anywhere differ in it."""
    text = user_text(request)
    digest = f"{zlib.crc32(raw):08x}"
    answer = said(request, script).replace("{text}", text).replace("{number}", str(number)).replace("{digest}", digest)
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": answer, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    prompt, answered = prompt_tokens(request), script.completion_tokens or tokens_of(answer)
    body: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": f"{request.get('model')}-2024-07-18",
        "choices": [choice],
        "usage": {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered},
        "system_fingerprint": f"fp_{digest}",
    }
    if script.prices:
        body["service_tier"] = "flex" if request.get("service_tier") == "flex" else "default"
        body["usage"]["prompt_tokens_details"] = {"cached_tokens": script.cached_tokens(request, prompt)}
    if failure is not None:
        for change in (TROUBLED.get(failure.kind, {}), failure.reply):
            choice["message"] = choice["message"] | change.get("message", {})
            choice["finish_reason"] = change.get("finish_reason", choice["finish_reason"])
            body |= {key: value for key, value in change.items() if key not in ("message", "finish_reason")}
    if failure is not None and failure.kind == "no_choices":
        body["choices"] = []
    return body


def embeddings(request: dict[str, Any], texts: list[str], script: Script, failure: Failure | None) -> bytes:
    wanted = None if script.ignores_dimensions else request.get("dimensions")
    rows = vectors(texts, wanted or script.dimensions)
    rows = _spoilt(rows, failure.kind) if failure is not None else rows
    base64 = (script.encoding or request.get("encoding_format")) == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": b64encode(row.tobytes()).decode() if base64 else row}
        for index, row in enumerate(rows)
    ]
    if failure is not None and failure.kind == "null":
        data[0]["embedding"] = None
    if failure is not None and failure.kind == "shuffled":
        data.reverse()
    used = sum(tokens_of(text) for text in texts)
    body = {
        "object": "list",
        "data": data,
        "model": request.get("model"),
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }
    return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)


def _spoilt(rows: Any, kind: str) -> Any:
    rows = rows.astype("<f4")
    if kind == "nan":
        rows[0, 0] = np.nan
    elif kind == "zero":
        rows[0] = 0
    elif kind == "same":
        rows[:] = vectors(["any text"], rows.shape[1])
    elif kind == "long":
        rows *= 7
    elif kind == "wrong_count":
        return rows[:-1]
    elif kind == "wrong_dimension":
        return rows[:, :-1]
    return rows

"""The bodies of the Responses API, as OpenAI's reference has them."""

import time
from typing import Any

from support.openai_server.replies import prompt_tokens, said, tokens_of, user_text
from support.openai_server.script import Failure, Script

ECHOED = (
    "instructions", "max_output_tokens", "metadata", "previous_response_id", "store", "temperature", "text", "tools",
)  # fmt: skip
CALL = {
    "id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "f", "arguments": "{}",
}  # fmt: skip
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
REASONING = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "I thought."}]}


def response(request: dict[str, Any], number: int, script: Script, failure: Failure | None) -> dict[str, Any]:
    text = said(request, script).replace("{text}", user_text(request)).replace("{number}", str(number))
    output: list[dict[str, Any]] = [REASONING] if request.get("reasoning") else []
    if any(tool.get("type") == "web_search" for tool in request.get("tools") or ()):
        output.append(SEARCH)
    kind = failure.kind if failure is not None else ""
    if kind == "tool_calls":
        output.append(CALL)
    else:
        output.append(_message(number, "" if kind == "empty" else text, refused=kind == "refusal"))
    status = {"length": "incomplete", "content_filter": "incomplete"}.get(kind, "completed")
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if request.get("background"):
        status, output = "queued", []
    read, written = prompt_tokens(request), script.completion_tokens or tokens_of(text)
    body = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reasons[kind]} if kind in reasons else None,
        "model": f"{request.get('model')}-2024-07-18",
        "output": [] if kind == "no_choices" else output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
        **{name: request[name] for name in ECHOED if name in request},
    }
    return body | (failure.reply if failure is not None else {})


def stored(path: str) -> dict[str, Any]:
    """What is asked of a response that is kept, by its id."""
    name, _, what = path.partition("/")
    if what == "input_items":
        return {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    return {**response({"model": "m", "input": "kept"}, 0, Script(), None), "id": name, "asked": what or "itself"}


def _message(number: int, text: str, *, refused: bool) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    if refused:
        part = {"type": "refusal", "refusal": "I cannot help with that."}
    return {"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}

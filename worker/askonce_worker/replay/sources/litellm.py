"""LiteLLM's spend logs: rows of `LiteLLM_SpendLogs`, from the table or from `/spend/logs`.

The prompt of a chat completion is in `proxy_server_request`, and only if `store_prompts_in_spend_logs` is set.
"""

from typing import Any

from askonce.question import Question
from askonce_worker.replay.calls import BadCall, Call, NoCall
from askonce_worker.replay.sources.fields import (
    Fields,
    answer_of,
    as_object,
    between,
    count,
    nano,
    number,
    opened,
    unix,
    usage_of,
)

CALLS = frozenset({"", "completion", "acompletion"})
TRUNCATED = "litellm_truncated"
"""Marks a text that was too long for the table."""


def is_row(fields: Fields) -> bool:
    return "startTime" in fields and ("call_type" in fields or "spend" in fields)


def call_of(fields: Fields) -> Call:
    """Raises BadCall, NoCall."""
    kind = fields.get("call_type") or ""
    if kind not in CALLS:
        raise NoCall(f"calls of {kind}")
    if fields.get("status") == "failure":
        raise NoCall("failed calls")
    request = _request(fields)
    if TRUNCATED in str(request["messages"]):
        raise BadCall("LiteLLM truncated its prompt: MAX_STRING_LENGTH_PROMPT_IN_DB sets how much is kept")
    asked = unix(fields.get("startTime"))
    ms = number(fields.get("request_duration_ms"))
    counted = usage_of(count(fields.get("prompt_tokens")), count(fields.get("completion_tokens")))
    return Call(
        question=Question.from_body(request),
        asked=asked,
        seconds=between(asked, unix(fields.get("endTime"))) if ms is None else max(0.0, ms / 1000),
        body=answer_of(fields.get("response"), request["model"] or "", counted),
        cost=nano(fields.get("spend")),
    )


def _request(fields: Fields) -> dict[str, Any]:
    body = as_object(fields.get("proxy_server_request")) or {}
    body = as_object(body.get("body")) or body
    model = body.get("model") or fields.get("model_group") or fields.get("model")
    messages = body.get("messages") or opened(fields.get("messages"))
    if not isinstance(messages, list) or not messages:
        raise BadCall("it has no prompt: LiteLLM stores prompts only if store_prompts_in_spend_logs is set")
    unasked = {"proxy_server_request", "litellm_metadata", "metadata", "secret_fields"}
    return {
        **{name: value for name, value in body.items() if name not in unasked},
        "model": model,
        "messages": messages,
    }

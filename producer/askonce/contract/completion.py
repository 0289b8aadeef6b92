"""Judges a reply: whether it may be cached, and who else may get it. Pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from askonce.errors import InvalidQuestion
from askonce.question import Question
from askonce.readable import message_text
from askonce.replies.embeddings import is_embeddings
from askonce.replies.responses import as_message, ending_of, is_response, text_response

FAULTS = ("error", "fail", "abort", "interrupt", "insufficient", "unavailable", "timeout", "cancel", "malformed")
"""Parts of a `finish_reason` which show that the server ended the answer, not the model: `error` (OpenRouter, Mistral),
`abort` (vLLM, SGLang), `network_error` (Zhipu), `insufficient_system_resource` (DeepSeek), `malformed_function_call`
(Gemini)."""
ENDINGS = ("stop", "tool_calls", "function_call")
"""A `finish_reason` of answers that the model ended itself. `function_call` is the older name of `tool_calls`."""


class CompletionVerdict(Enum):
    GOOD = "good"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    REFUSED = "refused"
    FAULTY = "faulty"
    """Cut off by a provider fault: not an answer, however much text there is."""


_WORST_FIRST = (
    CompletionVerdict.FAULTY,
    CompletionVerdict.REFUSED,
    CompletionVerdict.TRUNCATED,
    CompletionVerdict.EMPTY,
    CompletionVerdict.GOOD,
)


def verdict(body: Mapping[str, Any]) -> CompletionVerdict:
    """The verdict on its worst choice. Only the provider's word makes it refused, never a guess from the text."""
    if is_embeddings(body):
        return CompletionVerdict.GOOD
    if is_response(body):
        return _of_response(body)
    return min((_of_choice(choice) for choice in body["choices"]), key=_WORST_FIRST.index)


def fault(body: Mapping[str, Any]) -> str | None:
    """Why the provider broke off this completion, in its own words. None if it did not."""
    if is_response(body):
        return _fault_of_response(body)
    return next((found for choice in body.get("choices") or () if (found := _fault_of(choice)) is not None), None)


def reply_around(text: str, question: Question, usage: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A reply to this question made from a text that no provider sent. Raises InvalidQuestion if a text cannot be
    one."""
    if question.endpoint == "embeddings":
        raise InvalidQuestion("a text is not an embedding")
    make = text_response if question.endpoint == "responses" else text_body
    return make(text, model=question.model or "", usage=usage)


def text_body(text: str, *, model: str, usage: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A chat-completion body made from a text that no provider sent."""
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": dict(usage) if usage is not None else None,
    }


def _of_response(body: Mapping[str, Any]) -> CompletionVerdict:
    message, ending = as_message(body), ending_of(body)
    if _fault_of_response(body) is not None:
        return CompletionVerdict.FAULTY
    if message["refusal"] or ending == "content_filter":
        return CompletionVerdict.REFUSED
    if body.get("status") != "completed":
        return CompletionVerdict.TRUNCATED
    said = message.get("tool_calls") or (message["content"] or "").strip()
    return CompletionVerdict.GOOD if said else CompletionVerdict.EMPTY


def _fault_of_response(body: Mapping[str, Any]) -> str | None:
    status = body.get("status")
    return f"the response ended as {status}" if status in ("failed", "cancelled") else None


def _of_choice(choice: Mapping[str, Any]) -> CompletionVerdict:
    message = choice.get("message") or {}
    reason = choice.get("finish_reason")
    if _fault_of(choice) is not None:
        return CompletionVerdict.FAULTY
    if message.get("refusal") or _has_refusal(message) or reason == "content_filter":
        return CompletionVerdict.REFUSED
    if reason not in ENDINGS:
        return CompletionVerdict.TRUNCATED
    if message.get("tool_calls") or message.get("function_call") or (message_text(message) or "").strip():
        return CompletionVerdict.GOOD
    return CompletionVerdict.EMPTY


def _fault_of(choice: Mapping[str, Any]) -> str | None:
    error = choice.get("error")
    if error:
        words = error.get("message") if isinstance(error, Mapping) else error
        return words if isinstance(words, str) and words else "an error within the answer"
    for name in ("finish_reason", "native_finish_reason"):
        reason = choice.get(name)
        if isinstance(reason, str) and any(word in reason.lower() for word in FAULTS):
            return f"the answer ended with {name} {reason!r}"
    return None


def _has_refusal(message: Mapping[str, Any]) -> bool:
    """Whether part of its content is a refusal: {"type": "refusal", "refusal": "…"}."""
    content = message.get("content")
    parts = content if isinstance(content, list | tuple) else ()
    return any(isinstance(part, Mapping) and part.get("type") == "refusal" for part in parts)

"""Identifies replies by their shape: entries and results store the provider's body without its endpoint."""

from collections.abc import Mapping
from typing import Any

from askonce.readable import completion_of
from askonce.replies.embeddings import embeddings_of, is_embeddings
from askonce.replies.responses import as_message, ending_of, is_response, response_of

NAMES = {"chat": "a chat completion", "responses": "a response", "embeddings": "embeddings"}
"""What messages call replies, by endpoint."""


def reply_of(body: Any) -> dict[str, Any]:
    """Checks a chat completion, a response, or embeddings. Raises ValueError for anything else."""
    if is_response(body):
        return response_of(body)
    return embeddings_of(body) if is_embeddings(body) else completion_of(body)


def shape_of(body: Mapping[str, Any]) -> str:
    """The endpoint that this is a reply of, if any."""
    if is_response(body):
        return "responses"
    return "embeddings" if is_embeddings(body) else "chat"


def is_reply(body: Mapping[str, Any]) -> bool:
    """Whether followers read a reply here, rather than a question's failure."""
    return "choices" in body or is_response(body) or is_embeddings(body)


def messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the model said, as chat-completion messages, one per choice. Embeddings have none."""
    if is_response(body):
        return [as_message(body)]
    return [choice.get("message") or {} for choice in body.get("choices") or ()]


def calls_tools(message: Mapping[str, Any]) -> bool:
    """Whether the model calls tools. Content next to a call is not an answer yet."""
    return bool(message.get("tool_calls") or message.get("function_call"))


def finish_reason_of(body: Mapping[str, Any]) -> str | None:
    """That of the first choice, in the provider's words. For a response, from its status or its details."""
    if is_response(body):
        return ending_of(body)
    choices = body.get("choices")
    return choices[0].get("finish_reason") if choices else None

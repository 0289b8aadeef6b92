"""A reply by its shape: entries and results keep the provider's body, and it says itself what it is."""

from collections.abc import Mapping
from typing import Any

from askonce.readable import completion_of
from askonce.replies.embeddings import embeddings_of, is_embeddings
from askonce.replies.responses import as_message, ending_of, is_response, response_of

NAMES = {"chat": "a chat completion", "responses": "a response", "embeddings": "embeddings"}
"""Of replies, by their endpoints."""


def reply_of(body: Any) -> dict[str, Any]:
    """A chat completion, a response, or embeddings. Raises ValueError for what is none of them."""
    if is_response(body):
        return response_of(body)
    return embeddings_of(body) if is_embeddings(body) else completion_of(body)


def shape_of(body: Mapping[str, Any]) -> str:
    """The endpoint of which this is a reply, if it is one."""
    if is_response(body):
        return "responses"
    return "embeddings" if is_embeddings(body) else "chat"


def is_reply(body: Mapping[str, Any]) -> bool:
    """What followers read is a reply, or else the failure of a question."""
    return "choices" in body or is_response(body) or is_embeddings(body)


def messages_of(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the model said, as messages of chat completions: one for each choice. None of embeddings."""
    if is_response(body):
        return [as_message(body)]
    return [choice.get("message") or {} for choice in body.get("choices") or ()]


def calls_tools(message: Mapping[str, Any]) -> bool:
    """Whatever else it says: content beside a call is no answer yet."""
    return bool(message.get("tool_calls") or message.get("function_call"))


def finish_reason_of(body: Mapping[str, Any]) -> str | None:
    """Of the first choice, in the provider's words; a response ends as its status, or its details, say."""
    if is_response(body):
        return ending_of(body)
    choices = body.get("choices")
    return choices[0].get("finish_reason") if choices else None

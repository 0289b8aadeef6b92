"""A chat-completion request as the fields of a question."""

from collections.abc import Mapping
from typing import Any

from askonce.canonical import canonical_message
from askonce.errors import InvalidQuestion
from askonce.question_checks import require


def fields_of_request(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the question that a request asks. Raises InvalidQuestion.

    A last message of the user that is plain text becomes the question's text; any other conversation is kept whole.
    """
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise InvalidQuestion("messages must be a non-empty list of objects")
    model = body.get("model")
    require(model is None or isinstance(model, str), "the model's name is malformed")
    params = {key: value for key, value in body.items() if key not in ("messages", "model")}
    return {"model": model, "params": params, **_fields_of_messages(messages)}


def _fields_of_messages(messages: list[dict[str, Any]]) -> dict[str, Any]:
    text = _plain_text(messages[-1], "user")
    if text is None:
        return {"text": _visible_text(messages[-1]), "messages": tuple(messages)}
    system = _plain_text(messages[0], "system") if len(messages) > 1 else None
    if system is None:
        return {"text": text, "history": tuple(messages[:-1])}
    return {"text": text, "system": system, "history": tuple(messages[1:-1])}


def _plain_text(message: dict[str, Any], role: str) -> str | None:
    """The text of a message that has a role and a text, and nothing else."""
    plain = canonical_message(message)
    text = plain["content"]
    return text if plain.keys() == {"role", "content"} and plain["role"] == role and isinstance(text, str) else None


def _visible_text(message: dict[str, Any]) -> str:
    """Something to show for a conversation whose last message is not plain text."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) and content.strip() else f"[{message.get('role', 'message')}]"

"""Reading what others wrote, Redis's records and providers' replies: bounded in size and depth, and checked before use.

Nothing is ever unpickled or executed. A record that is not as it should be is refused as a whole.
"""

from collections.abc import Mapping
from typing import Any

import orjson

TEXT_PARTS = ("text", "output_text")
"""Types of the parts of content that are text."""
MAX_RECORD_BYTES = 67_108_864
"""Maximum bytes of a job, result or entry."""
MAX_ANSWER_BYTES = 16_777_216
"""Maximum bytes of a completion, as the provider sends it."""
BOM = b"\xef\xbb\xbf"
"""The byte order mark: some servers send it before their JSON."""
MAX_DEPTH = 120
"""A question is less deep, and orjson writes nothing deeper than 254."""


def read_json(raw: bytes, most: int = MAX_RECORD_BYTES) -> Any:
    """The value of some JSON. Raises ValueError for what is no JSON, over `most` bytes, or nested too deeply."""
    if len(raw) > most:
        raise ValueError(f"over {most} bytes")
    value = orjson.loads(raw.removeprefix(BOM))
    check_depth(value, raw.count(b"[") + raw.count(b"{"))
    return value


def check_depth(value: Any, brackets: int) -> None:
    """Raises ValueError. brackets: that the JSON has. Nothing with fewer can be that deep, and counting them costs next
    to nothing."""
    if brackets > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")


def read_object(raw: bytes, most: int = MAX_RECORD_BYTES) -> dict[str, Any]:
    """Like `read_json`, for an object."""
    value = read_json(raw, most)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def text_of(record: dict[str, Any], name: str) -> str:
    """A field that is text. Raises ValueError."""
    value = record.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


def time_of(record: dict[str, Any], name: str) -> int:
    """A field that is a time, Unix seconds, milliseconds or microseconds. Raises ValueError."""
    value = record.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise ValueError(f"{name} is not a time")
    return value


def completion_of(body: Any) -> dict[str, Any]:
    """A chat completion: every choice has a message. Raises ValueError."""
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices or not all(map(_has_message, choices)):
        raise ValueError("no chat completion")
    if not isinstance(body.get("model"), str | None) or not isinstance(body.get("usage"), dict | None):
        raise ValueError("a chat completion with a malformed model or usage")
    known: dict[str, Any] = body
    return known


def message_text(message: Mapping[str, Any]) -> str | None:
    """The text of a message. Of content in parts, the text parts: thinking, images and the like are no text."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple):
        return None
    texts = [part["text"] for part in content if _is_text_part(part)]
    return "".join(texts) if texts else None


def _is_text_part(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type", "text") in TEXT_PARTS and isinstance(part.get("text"), str)


def _has_message(choice: Any) -> bool:
    return isinstance(choice, dict) and isinstance(choice.get("message"), dict)


def _is_deeper(value: Any, left: int) -> bool:
    if isinstance(value, dict):
        return left == 0 or any(_is_deeper(item, left - 1) for item in value.values())
    if isinstance(value, list):
        return left == 0 or any(_is_deeper(item, left - 1) for item in value)
    return False

"""What belongs to a scope, in the one form that all requests with the same meaning share. Pure.

A parameter that is null, empty or written out with its default is the same as none. Of a JSON schema the order of the
properties counts, since a model answers in that order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from askonce.json_values import is_large

UNSHAPING = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "timeout",
        "user",
    }
)
"""Parameters that change how an answer is delivered or billed, not what it says."""

DEFAULTS: dict[str, Any] = {
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "response_format": {"type": "text"},
    "top_logprobs": 0,
}
"""What every server takes for granted. (Of `temperature`, `top_p` and penalties some have their own.)"""

DECLARED = frozenset({"audio", "function_call", "functions", "prediction", "response_format", "tool_choice", "tools"})
"""Parameters whose nested fields are OpenAI's: null is absent within them, too."""
SCHEMAS = frozenset({"parameters", "schema"})
"""Fields of these that hold a JSON schema, in which null is a value."""
CHOICES = {"tool_choice": "tools", "function_call": "functions"}


def plain_numbers(value: Any) -> Any:
    """1.0 and 1 are the same parameter. (Beyond 2**53 no float is a certain integer.)"""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(item) for item in value]
    return value


def params_as_sent(params: Mapping[str, Any]) -> dict[str, Any]:
    """The first rule: all but what shapes no answer, and `n: 1`."""
    kept = {key: plain_numbers(value) for key, value in params.items() if key not in UNSHAPING}
    if kept.get("n") == 1:
        del kept["n"]
    return kept


def shaping_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """The second rule: what differs from the defaults, with the order of schemas' properties."""
    found = {}
    for key, value in params.items():
        if key not in UNSHAPING:
            written = _written(key, value)
            if not _is_empty(written) and not _is_default(key, written):
                found[key] = written
    for choice, offered in CHOICES.items():
        if found.get(choice) == ("auto" if offered in found else "none"):
            del found[choice]
    return {key: with_ordered_schemas(value) for key, value in found.items()}


def canonical_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message without what is null or empty, and with one text part as the text that it is."""
    kept = {key: _declared(value) for key, value in message.items() if key == "content" or not _is_empty(value)}
    content = kept.get("content")
    if isinstance(content, list) and len(content) == 1 and _is_plain_part(content[0]):
        content = content[0]["text"]
    return {**kept, "content": content}


def canonical_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [canonical_message(message) for message in messages]


def _written(key: str, value: Any) -> Any:
    """One stop sequence is a list of one."""
    if key == "stop" and isinstance(value, str):
        return [value]
    return plain_numbers(_declared(value) if key in DECLARED else value)


def _is_plain_part(part: Any) -> bool:
    if not isinstance(part, dict) or part.get("type") != "text":
        return False
    return {key for key, value in part.items() if not _is_empty(value)} == {"type", "text"}


def _declared(value: Any) -> Any:
    """Without nulls and `strict: false`, which is the default, but for what is in a schema."""
    if isinstance(value, Mapping):
        return {
            key: item if key in SCHEMAS else _declared(item)
            for key, item in value.items()
            if item is not None and not (key == "strict" and item is False)
        }
    if isinstance(value, list | tuple):
        return [_declared(item) for item in value]
    return value


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping | list | tuple) and not value)


def _is_default(key: str, value: Any) -> bool:
    default = DEFAULTS.get(key)
    return type(value) is type(default) and bool(value == default)


def with_ordered_schemas(value: Any) -> Any:
    """With `properties` that are not in the order of their names as a list of pairs."""
    if isinstance(value, dict):
        return {
            key: _ordered_properties(item)
            if key == "properties" and isinstance(item, dict)
            else with_ordered_schemas(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [with_ordered_schemas(item) for item in value]
    return orjson.Fragment(str(value)) if isinstance(value, int) and is_large(value) else value


def _ordered_properties(properties: dict[str, Any]) -> Any:
    ordered = {name: with_ordered_schemas(schema) for name, schema in properties.items()}
    return ordered if list(ordered) == sorted(ordered) else [list(pair) for pair in ordered.items()]

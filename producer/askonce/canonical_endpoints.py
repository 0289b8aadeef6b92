"""What belongs to a scope, by endpoint: responses and embeddings have their own parameters and defaults."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from askonce.canonical import UNSHAPING, canonical_messages, plain_numbers, shaping_params, with_ordered_schemas

RESPONSE_DEFAULTS: Mapping[str, Any] = {
    "background": False,
    "parallel_tool_calls": True,
    "store": True,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "top_logprobs": 0,
    "truncation": "disabled",
}
"""`store` counts, because nobody can continue an answer that the provider did not store."""
RESPONSE_UNSHAPING = UNSHAPING - {"store"} | {"prompt_cache_options"}
EMBEDDING_UNSHAPING = UNSHAPING | {"encoding_format"}
"""A vector of floats is kept in one form, and handed out in the form that is wanted."""
OF_FLOATS = frozenset({"dimensions", "input"})


def scope_params(endpoint: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return PARAMS.get(endpoint, shaping_params)(params)


def scope_messages(endpoint: str, messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [canonical_item(item) for item in messages] if endpoint == "responses" else canonical_messages(messages)


def canonical_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of a response's input without what is null or empty; a message with one text part has it as content."""
    kept = {key: value for key, value in item.items() if value not in (None, [], {}) and (key, value) != MESSAGE}
    content = kept.get("content")
    if isinstance(content, list) and len(content) == 1 and _is_plain(content[0]):
        kept["content"] = content[0]["text"]
    return kept


MESSAGE = ("type", "message")
"""What an item is that does not say it."""


def _is_plain(part: Any) -> bool:
    return isinstance(part, Mapping) and part.keys() == {"type", "text"} and part["type"] == "input_text"


def _response_params(params: Mapping[str, Any]) -> dict[str, Any]:
    written = {key: plain_numbers(value) for key, value in params.items() if key not in RESPONSE_UNSHAPING}
    return {
        key: with_ordered_schemas(value)
        for key, value in written.items()
        if value not in (None, [], {}) and not _is_default(key, value)
    }


def _is_default(key: str, value: Any) -> bool:
    default = RESPONSE_DEFAULTS.get(key)
    return type(value) is type(default) and bool(value == default)


def has_floats(params: Mapping[str, Any]) -> bool:
    """Whether the vectors are of floats: a parameter of the provider's own may make them bits or whole numbers, which
    the same base64 would hide."""
    return _shaping_embeddings(params).keys() <= OF_FLOATS


def _embedding_params(params: Mapping[str, Any]) -> dict[str, Any]:
    encoding = params.get("encoding_format")
    kept = {} if encoding is None or has_floats(params) else {"encoding_format": encoding}
    return _shaping_embeddings(params) | kept


def _shaping_embeddings(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: plain_numbers(value)
        for key, value in params.items()
        if key not in EMBEDDING_UNSHAPING and value is not None
    }


PARAMS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "responses": _response_params,
    "embeddings": _embedding_params,
}

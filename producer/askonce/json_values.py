"""JSON as the OpenAI SDK writes it: with Python's own rules, where orjson is stricter. Pure."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

LONG = re.compile(rb"[0-9]{19}")
"""A number with fewer digits is read by orjson as it is."""


def as_json(value: Any) -> Any:
    """The value with the keys and lists that it has as JSON: keys that are numbers become text, tuples lists."""
    if isinstance(value, Mapping):
        return {_key(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def dumps(value: Any, *, sort_keys: bool = False, default: Callable[[Any], Any] | None = None) -> bytes:
    """The JSON of a value, with whole numbers of any size. Raises TypeError or ValueError.

    default: makes a value that JSON has of one that it has not.
    """
    try:
        return orjson.dumps(value, default, orjson.OPT_SORT_KEYS if sort_keys else None)
    except TypeError:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys, default=default
        )
        return text.encode()


def loads(raw: bytes | str) -> Any:
    """The value of some JSON, with whole numbers of any size: orjson makes floats of large ones. Raises ValueError."""
    value = orjson.loads(raw)
    if LONG.search(raw if isinstance(raw, bytes) else raw.encode()):
        try:
            return json.loads(raw)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
    return value


def is_large(number: int) -> bool:
    """Whether orjson cannot write it."""
    return not -(2**63) <= number < 2**64


def has_large(value: Any) -> bool:
    """Whether there is a whole number in it that orjson cannot write."""
    if isinstance(value, Mapping):
        return any(map(has_large, value.values()))
    if isinstance(value, list | tuple):
        return any(map(has_large, value))
    return isinstance(value, int) and is_large(value)


def _key(key: Any) -> Any:
    """The key as `json.dumps` writes it. A value that cannot be a JSON key stays unchanged and is refused with the
    question."""
    if isinstance(key, str) or not isinstance(key, int | float | None):
        return key
    return json.dumps(key)

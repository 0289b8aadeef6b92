"""Payloads between Qdrant's messages and JSON's values. (The official client's own conversions load REST's models.)"""

import math
from collections.abc import Mapping
from typing import Any

from qdrant_client import grpc as qdrant


def to_payload(message: Mapping[str, qdrant.Value]) -> dict[str, Any]:
    return {key: _to_json(message[key]) for key in message}


def from_payload(payload: Mapping[str, Any] | None) -> dict[str, qdrant.Value]:
    return {key: _to_value(value) for key, value in (payload or {}).items()}


def _to_json(value: qdrant.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return to_payload(value.struct_value.fields)
    if kind == "list_value":
        return [_to_json(item) for item in value.list_value.values]
    if kind == "double_value" and not math.isfinite(value.double_value):
        return None  # as in JSON, in which Qdrant stores payloads
    return None if kind in (None, "null_value") else getattr(value, kind)


def _to_value(value: Any) -> qdrant.Value:
    if value is None:
        return qdrant.Value(null_value=qdrant.NULL_VALUE)
    if isinstance(value, dict):
        return qdrant.Value(struct_value=qdrant.Struct(fields=from_payload(value)))
    if isinstance(value, list):
        return qdrant.Value(list_value=qdrant.ListValue(values=map(_to_value, value)))
    return qdrant.Value(**{_FIELDS[type(value)]: value})


_FIELDS = {str: "string_value", bool: "bool_value", int: "integer_value", float: "double_value"}

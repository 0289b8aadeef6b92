"""The columns that a JSON schema makes of a table: its properties at the top. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from askonce.schemas.strict import resolved

Kind = Literal["text", "integer", "number", "boolean", "json"]
"""What a column holds, where a file has types. `json`: lists, objects, and whatever has no one type."""
Columns = Mapping[str, Kind]

KINDS: Mapping[Any, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
MOST_REFERENCES = 10
"""That lead to another one."""


def columns_of(schema: Mapping[str, Any]) -> Columns:
    """In the order of the schema. Raises ValueError for one without properties."""
    at = _followed(schema, schema)
    properties = at.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError("the schema has no properties: a table has a column for each")
    return {name: _kind_of(part, schema) for name, part in properties.items()}


def _kind_of(part: Any, root: Mapping[str, Any]) -> Kind:
    """What is null at times is of the kind that it is otherwise."""
    part = _followed(part, root)
    either = part.get("anyOf")
    if isinstance(either, list):
        kinds = {_kind_of(each, root) for each in either if _followed(each, root).get("type") != "null"}
        return kinds.pop() if len(kinds) == 1 else "json"
    named = part.get("type")
    types = [each for each in (named if isinstance(named, list) else [named]) if each != "null"]
    if named is None and isinstance(part.get("enum"), list):
        return "text" if all(isinstance(each, str | None) for each in part["enum"]) else "json"
    return KINDS.get(types[0], "json") if len(types) == 1 and isinstance(types[0], str) else "json"


def _followed(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference within the schema points to."""
    for _ in range(MOST_REFERENCES):
        if not isinstance(part, Mapping) or not isinstance(part.get("$ref"), str):
            break
        part = resolved(root, part["$ref"])
    return part if isinstance(part, Mapping) else {}

"""The table columns of a JSON schema: its top-level properties. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from askonce.schemas.strict import resolved

Kind = Literal["text", "integer", "number", "boolean", "json"]
"""The type of a column, for files with types. `json`: lists, objects, and anything without a single type."""
Columns = Mapping[str, Kind]

OF_VALUES: Mapping[type, Kind] = {str: "text", int: "integer", float: "number", bool: "boolean"}
KINDS: Mapping[Any, Kind] = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
MOST_REFERENCES = 10
"""Keywords that refer to another schema."""
MOST_NESTED = 20
"""Keywords with nested schemas, which are searched for the kind of a column."""


def columns_of(schema: Mapping[str, Any]) -> Columns:
    """The columns in schema order. Raises ValueError for a schema without properties."""
    at = _followed(schema, schema)
    properties = at.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise ValueError("the schema has no properties: a table has a column for each")
    known: dict[str, Kind] = {}
    return {name: _kind_of(part, schema, known) for name, part in properties.items()}


def _kind_of(part: Any, root: Mapping[str, Any], known: dict[str, Kind], left: int = MOST_NESTED) -> Kind:
    """known: references already followed; a cyclic one has no single type."""
    ref = part.get("$ref") if isinstance(part, Mapping) else None
    if left == 0:
        return "json"
    if not isinstance(ref, str):
        return _own_kind(_followed(part, root), root, known, left)
    if ref not in known:
        known[ref] = "json"
        known[ref] = _own_kind(_followed(part, root), root, known, left)
    return known[ref]


def _own_kind(part: Mapping[str, Any], root: Mapping[str, Any], known: dict[str, Kind], left: int) -> Kind:
    """A nullable value has the kind of its other values."""
    either, every, named = part.get("anyOf"), part.get("allOf"), part.get("type")
    if isinstance(either, list):
        others = [each for each in either if _followed(each, root).get("type") != "null"]
        return _one_of({_kind_of(each, root, known, left - 1) for each in others})
    if named is None and isinstance(every, list) and len(every) == 1:
        return _kind_of(every[0], root, known, left - 1)
    if named is None and (isinstance(part.get("enum"), list) or "const" in part):
        values = part["enum"] if isinstance(part.get("enum"), list) else [part["const"]]
        return _one_of({OF_VALUES.get(type(each), "json") for each in values if each is not None})
    types = [each for each in (named if isinstance(named, list) else [named]) if each != "null"]
    return KINDS.get(types[0], "json") if len(types) == 1 and isinstance(types[0], str) else "json"


def _one_of(kinds: set[Kind]) -> Kind:
    return kinds.pop() if len(kinds) == 1 else "json"


def _followed(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The target of a reference within the schema."""
    for _ in range(MOST_REFERENCES):
        if not isinstance(part, Mapping) or not isinstance(part.get("$ref"), str):
            break
        part = resolved(root, part["$ref"])
    return part if isinstance(part, Mapping) else {}

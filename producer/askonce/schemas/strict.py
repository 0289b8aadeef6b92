"""The rules of OpenAI's strict mode: every object names all its properties as required, and has no others. Pure.

https://developers.openai.com/api/docs/guides/structured-outputs
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

Node = Mapping[str, Any]

MAPS = ("$defs", "definitions", "properties")
LISTS = ("allOf", "anyOf")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
BEYOND = frozenset(
    {"allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "oneOf", "patternProperties", "then"}
)
"""Keywords that strict mode does not support."""


def strict_schema(schema: Node) -> dict[str, Any]:
    """A pydantic schema in strict form, as made by `to_strict_json_schema` of OpenAI's SDK."""
    made: dict[str, Any] = _strict(schema, schema, frozenset())
    return made


def keeps_strict(schema: Node) -> bool:
    """Whether a schema already follows the rules. Otherwise it may not be sent as strict."""
    return schema.get("type") == "object" and all(map(_keeps, _nodes(schema)))


def resolved(root: Node, ref: str) -> Any:
    """The target of `#/…`, a JSON pointer in a URL (RFC 6901). None if there is none, or it is external."""
    if not ref.startswith("#"):
        return None
    found: Any = root
    for part in filter(None, unquote(ref[1:]).split("/")):
        found = _member(found, part.replace("~1", "/").replace("~0", "~"))
    return found


def _member(of: Any, name: str) -> Any:
    if isinstance(of, Mapping):
        return of.get(name)
    if isinstance(of, list) and INDEX.fullmatch(name) and int(name) < len(of):
        return of[int(name)]
    return None


def _strict(node: Any, root: Node, within: frozenset[str]) -> Any:
    """within: the references already inlined around it; a recursive one stays a reference."""
    if not isinstance(node, Mapping):
        return node
    made = {name: _strict_part(name, part, root, within) for name, part in node.items()}
    if isinstance(made.get("properties"), Mapping):
        made["required"] = list(made["properties"])
    if made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    if isinstance(made.get("allOf"), list) and len(made["allOf"]) == 1:
        made |= made.pop("allOf")[0]
    if made.get("default", ...) is None:
        del made["default"]
    return _in_place(made, root, within)


def _strict_part(name: str, part: Any, root: Node, within: frozenset[str]) -> Any:
    """A keyword's value, with the schemas in it made strict."""
    if name in MAPS and isinstance(part, Mapping):
        return {key: _strict(each, root, within) for key, each in part.items()}
    if name in LISTS and isinstance(part, list):
        return [_strict(each, root, within) for each in part]
    return _strict(part, root, within) if name == "items" else part


def _in_place(made: dict[str, Any], root: Node, within: frozenset[str]) -> Any:
    """A reference must stand alone, so one with siblings is replaced by its target, and the siblings take
    precedence."""
    ref = made.get("$ref")
    if not isinstance(ref, str) or len(made) == 1:
        return made
    target = resolved(root, ref)
    if ref in within or not isinstance(target, Mapping):
        return {"$ref": ref}
    beside = {name: value for name, value in made.items() if name != "$ref"}
    return _strict({**target, **beside}, root, within | {ref})


def _keeps(node: Node) -> bool:
    if not BEYOND.isdisjoint(node):
        return False
    properties = node.get("properties")
    if node.get("type") != "object" and properties is None:
        return True
    required = node.get("required", [])
    return (
        node.get("additionalProperties") is False
        and isinstance(required, list)
        and isinstance(properties, Mapping)
        and set(properties) == set(required)
    )


def _nodes(node: Any) -> Iterator[Node]:
    """A schema and all within it."""
    if not isinstance(node, Mapping):
        return
    yield node
    for name in MAPS:
        if isinstance(node.get(name), Mapping):
            for each in node[name].values():
                yield from _nodes(each)
    yield from _nodes(node.get("items"))
    for each in node.get("anyOf") or ():
        yield from _nodes(each)

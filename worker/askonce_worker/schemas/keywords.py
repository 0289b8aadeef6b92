"""Keywords of JSON Schema for which `jsonschema` takes a time without bound: patterns, and elements that differ.

Patterns are matched by Rust's `regex`, which pydantic brings: its time grows with the text alone. It knows neither
look-around nor references back; a schema with such a pattern is refused.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema.exceptions import ValidationError
from pydantic_core import SchemaError, SchemaValidator, core_schema

from askonce.canonical import plain_numbers
from askonce.json_values import dumps

Errors = Iterator[ValidationError]


class BadPattern(ValueError):
    """It is none that can be matched in bounded time."""


@lru_cache(maxsize=512)
def matcher(pattern: str) -> SchemaValidator:
    """Raises BadPattern."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError as error:
        raise BadPattern(f"the pattern {pattern[:100]!r} is none, or looks around or back") from error


def pattern(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:  # noqa: ARG001
    if validator.is_type(instance, "string") and not matcher(value).isinstance_python(instance):
        yield ValidationError(f"{instance!r} does not match {value!r}")


def pattern_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:  # noqa: ARG001
    if validator.is_type(instance, "object"):
        for each, part in value.items():
            for name in filter(matcher(each).isinstance_python, instance):
                yield from validator.descend(instance[name], part, path=name, schema_path=each)


def additional_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    if not validator.is_type(instance, "object"):
        return
    for name in _additional(instance, schema):
        if value is False:
            yield ValidationError(f"the property {name!r} is not allowed")
        else:
            yield from validator.descend(instance[name], value, path=name)


def unique_items(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:  # noqa: ARG001
    if value and validator.is_type(instance, "array"):
        texts = {dumps(plain_numbers(each), sort_keys=True) for each in instance}
        if len(texts) < len(instance):
            yield ValidationError("its elements are not all different")


def _additional(instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    known = schema.get("properties", {})
    matchers = [matcher(each) for each in schema.get("patternProperties", {})]
    for name in instance:
        if name not in known and not any(each.isinstance_python(name) for each in matchers):
            yield name


BOUNDED = {
    "pattern": pattern,
    "patternProperties": pattern_properties,
    "additionalProperties": additional_properties,
    "uniqueItems": unique_items,
}

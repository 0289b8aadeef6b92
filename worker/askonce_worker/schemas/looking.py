"""One JSON schema, ready to look at answers. Nothing is fetched, and nothing takes longer than its bound.

`format` is a remark, as JSON Schema has it: it is not looked at. References lead to places within the schema alone.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import validators
from jsonschema.exceptions import ValidationError
from jsonschema_specifications import REGISTRY
from referencing import Registry
from referencing.exceptions import Unresolvable

from askonce.schemas.strict import resolved
from askonce_worker.schemas.keywords import BOUNDED, BadPattern, matcher
from askonce_worker.schemas.work import TooMuchWork, Work

LEAST_STEPS, MOST_STEPS = 20_000, 100_000
"""Of one look, by the characters that are looked at: of a second or so at most."""
SHOWN = 3
"""Errors that are told."""
MOST_WORDS = 300
"""Characters of each."""
DRAFTS = ("Draft202012Validator", "Draft201909Validator", "Draft7Validator", "Draft6Validator", "Draft4Validator")
VALUES = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are no schemas."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
TWO_PATTERNS = ("patternProperties", "unevaluatedProperties")
"""`jsonschema` matches the first by itself for the sake of the second."""

WORK = Work()


def _drafts() -> dict[str, Any]:
    """Each in a form that counts its steps, by the id of its own schema."""
    made = {}
    for name in DRAFTS:
        known = getattr(validators, name)
        bounded = {each: check for each, check in BOUNDED.items() if each in known.VALIDATORS}
        counted = WORK.counted({**known.VALIDATORS, **bounded})
        made[known.META_SCHEMA["$schema"].rstrip("#")] = validators.extend(known, counted)
    return made


BY_ID = _drafts()
NEWEST = next(iter(BY_ID))


class BadSchema(ValueError):
    """No JSON schema, or one that cannot be looked at within bounds."""


class Looker:
    """Raises BadSchema. size: characters of the schema."""

    def __init__(self, schema: Mapping[str, Any], size: int) -> None:
        draft = BY_ID.get(str(schema.get("$schema", NEWEST)).rstrip("#"), BY_ID[NEWEST])
        own = next(_errors(draft(draft.META_SCHEMA, registry=REGISTRY), schema, size), None)
        if own is not None:
            raise BadSchema(f"the schema is none: {own}")
        _check_parts(schema)
        self._validator = draft(schema, registry=Registry())

    def errors(self, instance: Any, size: int) -> list[str]:
        """What does not fit, some of it; empty where all does. Raises BadSchema."""
        return list(islice(_errors(self._validator, instance, size), SHOWN))


def _errors(validator: Any, instance: Any, size: int) -> Iterator[str]:
    WORK.begin(min(LEAST_STEPS + size, MOST_STEPS), size)
    try:
        for error in validator.iter_errors(instance):
            yield _words(error)
    except TooMuchWork as error:
        raise BadSchema("it takes too long to look at the schema") from error
    except RecursionError as error:
        raise BadSchema("it is nested too deeply, or without an end") from error
    except Unresolvable as error:
        raise BadSchema(f"the schema refers to {error.ref[:100]!r}, which is not in it") from error
    except BadPattern as error:
        raise BadSchema(str(error)) from error


def _words(error: ValidationError) -> str:
    message = error.message if len(error.message) <= MOST_WORDS else f"{error.message[: MOST_WORDS - 1]}…"
    return f"{error.json_path}: {message}"


def _check_parts(root: Mapping[str, Any]) -> None:
    """What would come to light only with some answer or other. Raises BadSchema."""
    parts = list(_parts(root))
    if all(any(name in part for part in parts) for name in TWO_PATTERNS):
        raise BadSchema(f"the schema has {' beside '.join(TWO_PATTERNS)}")
    for part in parts:
        for name in REFERENCES:
            _check_reference(part.get(name), root)
        by_name = part.get("patternProperties")
        for pattern in (part.get("pattern"), *(by_name if isinstance(by_name, Mapping) else ())):
            _check_pattern(pattern)


def _parts(part: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever may be a schema within a schema, and itself."""
    if isinstance(part, Mapping):
        yield part
    within = part.items() if isinstance(part, Mapping) else enumerate(part) if isinstance(part, list) else ()
    for name, each in within:
        if name not in VALUES:
            yield from _parts(each)


def _check_reference(ref: Any, root: Mapping[str, Any]) -> None:
    if not isinstance(ref, str):
        return
    if not ref.startswith("#"):
        raise BadSchema(f"the schema refers to {ref[:100]!r}: nothing outside of it is read")
    if ref.startswith("#/") and resolved(root, ref) is None:
        raise BadSchema(f"the schema refers to {ref[:100]!r}, which is not in it")


def _check_pattern(pattern: Any) -> None:
    try:
        if isinstance(pattern, str):
            matcher(pattern)
    except BadPattern as error:
        raise BadSchema(str(error)) from error

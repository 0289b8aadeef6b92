"""The schema a question's answer must fit, as a request parameter. Pure.

A question asks for it with its field `schema`: a pydantic model or a JSON schema, which becomes `response_format`
(`text.format` for responses), or True for the one already in its parameters.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from askonce.errors import InvalidQuestion
from askonce.json_values import dumps, loads
from askonce.question_checks import require
from askonce.schemas.strict import keeps_strict, strict_schema

Schema = type[Any] | Mapping[str, Any] | Literal[True]
Format = dict[str, Any]

MOST_BYTES = 65_536
"""Maximum size of a schema: larger ones take workers too long to read."""
NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
KIND = "json_schema"


def with_format(params: Mapping[str, Any], schema: Schema | None, endpoint: str) -> Mapping[str, Any]:
    """The parameters of a question with this schema. Raises InvalidQuestion."""
    if schema is None:
        return params
    require(endpoint != "embeddings", "embeddings have no schema")
    known = _format_in(params, endpoint)
    if schema is True:
        require(schema_in(params, endpoint) is not None, "schema is true, but the parameters have none")
        return params
    wanted = format_of(schema)
    as_sent = wanted if endpoint == "chat" else {"type": KIND, **wanted[KIND]}
    text = params.get("text")
    require(endpoint == "chat" or isinstance(text, Mapping | None), "text must be an object")
    require(known in (None, as_sent), "schema and params name two different answer formats")
    if endpoint == "chat":
        return {**params, "response_format": as_sent}
    return {**params, "text": {**(text or {}), "format": as_sent}}


def without_format(params: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
    """The parameters without what `with_format` added."""
    kept = {name: value for name, value in params.items() if name != ("response_format" if endpoint == "chat" else "")}
    if endpoint == "responses" and isinstance(kept.get("text"), Mapping):
        kept["text"] = {name: value for name, value in kept["text"].items() if name != "format"}
        if not kept["text"]:
            del kept["text"]
    return kept


def schema_in(params: Mapping[str, Any], endpoint: str) -> Mapping[str, Any] | None:
    """The JSON schema in a request to the provider. None if there is none."""
    known = _format_in(params, endpoint)
    if not isinstance(known, Mapping) or known.get("type") != KIND:
        return None
    around = known.get(KIND) if endpoint == "chat" else known
    schema = around.get("schema") if isinstance(around, Mapping) else None
    return schema if isinstance(schema, Mapping) else None


def format_of(schema: Any) -> Format:
    """`response_format` for a model, a schema, or a schema with its name around it. Raises InvalidQuestion."""
    require(
        is_model(schema) or isinstance(schema, Mapping), "schema must be a JSON schema (an object) or a pydantic model"
    )
    try:
        return _of_model(schema) if is_model(schema) else _of_json(dumps(schema))
    except InvalidQuestion:
        raise
    except (TypeError, ValueError, RuntimeError) as error:  # of pydantic, too
        raise InvalidQuestion(f"the schema is not JSON: {error}") from error


def schema_of(schema: Any) -> Mapping[str, Any]:
    """The JSON schema of a model, or of a schema with or without its name around it. Raises InvalidQuestion."""
    found: Mapping[str, Any] = format_of(schema)[KIND]["schema"]
    return found


def is_model(schema: Any) -> bool:
    """Whether it is a pydantic model, without importing pydantic."""
    return isinstance(schema, type) and hasattr(schema, "model_json_schema") and hasattr(schema, "model_validate_json")


@lru_cache(maxsize=256)
def _of_model(model: Any) -> Format:
    """As strict as possible: a model with a `dict`, for example, has no strict schema, and providers would refuse
    it."""
    own = model.model_json_schema()
    strict = strict_schema(own)
    return _named(model.__name__, strict, strict=True) if keeps_strict(strict) else _named(model.__name__, own)


@lru_cache(maxsize=256)
def _of_json(raw: bytes) -> Format:
    """A schema that follows the rules of strict mode is sent as strict; strict mode would change the meaning of
    others."""
    given = loads(raw)
    if given.get("type") == KIND and isinstance(given.get(KIND), dict):
        given = given[KIND]
    if isinstance(given.get("schema"), dict) and isinstance(given.get("name"), str):
        made = {"type": KIND, KIND: given}
        _check_size(given["schema"])
        return made
    title = given.get("title")
    return _named(title if isinstance(title, str) else "", given, strict=keeps_strict(given))


def _named(name: str, schema: dict[str, Any], *, strict: bool = False) -> Format:
    _check_size(schema)
    known = {"name": NO_NAME.sub("_", name)[:64].strip("_") or "answer", "schema": schema}
    return {"type": KIND, KIND: {**known, "strict": True} if strict else known}


def _check_size(schema: Any) -> None:
    require(len(dumps(schema)) <= MOST_BYTES, f"the schema is over {MOST_BYTES} bytes")


def _format_in(params: Mapping[str, Any], endpoint: str) -> Any:
    if endpoint == "chat":
        return params.get("response_format")
    text = params.get("text")
    return text.get("format") if isinstance(text, Mapping) else None

"""Translates Qdrant's filters to the engine's."""

from __future__ import annotations  # some of the engine's types exist for the type checker only

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import qdrant_edge as edge
from qdrant_client import grpc as qdrant

from askonce_worker.local.qdrant_errors import Unsupported, WrongInput, only


def to_filter(message: qdrant.Filter) -> edge.Filter:
    only(message, "must", "should", "must_not")
    return edge.Filter(
        must=_conditions(message.must),
        should=_conditions(message.should),
        must_not=_conditions(message.must_not),
    )


def optional_filter(message: Any) -> edge.Filter | None:
    """The filter of a request that may carry one."""
    return to_filter(message.filter) if message.HasField("filter") else None


def to_id(message: qdrant.PointId) -> edge.PointId:
    if message.WhichOneof("point_id_options") == "num":
        return message.num
    try:
        return UUID(message.uuid)
    except ValueError as error:
        raise WrongInput(f"Unable to parse UUID: {message.uuid}") from error


def _conditions(messages: Iterable[qdrant.Condition]) -> list[Any] | None:
    return [_condition(message) for message in messages] or None


def _condition(message: qdrant.Condition) -> Any:
    kind = message.WhichOneof("condition_one_of")
    if kind == "field":
        return _field(message.field)
    if kind == "filter":
        return to_filter(message.filter)
    if kind == "has_id":
        return edge.HasIdCondition({to_id(point) for point in message.has_id.has_id})
    if kind == "is_empty":
        return edge.IsEmptyCondition(message.is_empty.key)
    if kind == "is_null":
        return edge.IsNullCondition(message.is_null.key)
    raise Unsupported(f"Condition.{kind}")


def _field(message: qdrant.FieldCondition) -> edge.FieldCondition:
    only(message, "key", "match", "range")
    if message.HasField("match"):
        return edge.FieldCondition(message.key, match=_match(message.match))
    bounds = message.range
    only(bounds, "lt", "gt", "gte", "lte")
    chosen = {field.name: value for field, value in bounds.ListFields()}
    return edge.FieldCondition(message.key, range=edge.RangeFloat(**chosen))


def _match(message: qdrant.Match) -> Any:
    kind = message.WhichOneof("match_value")
    if kind in ("keyword", "integer", "boolean"):
        return edge.MatchValue(getattr(message, kind))
    if kind == "keywords":
        return edge.MatchAny(list(message.keywords.strings))
    if kind == "integers":
        return edge.MatchAny(list(message.integers.integers))
    if kind == "except_keywords":
        return edge.MatchExcept(list(message.except_keywords.strings))
    if kind == "except_integers":
        return edge.MatchExcept(list(message.except_integers.integers))
    raise Unsupported(f"Match.{kind}")

"""Langfuse's exports: observations of type GENERATION, from blob storage, the UI or the API.

Blob storage has `start_time`, `provided_model_name`, `usage_details`, …; the page and the API `startTime`, `model`,
`usageDetails`, …. `input` and `output` are texts that may hold JSON.
"""

from collections.abc import Mapping
from typing import Any

from askonce.json_values import dumps
from askonce.question import Question
from askonce_worker.replay.calls import BadCall, Call, NoCall
from askonce_worker.replay.sources.fields import (
    Fields,
    answer_of,
    as_object,
    between,
    count,
    first,
    nano,
    number,
    opened,
    unix,
    usage_of,
)

START = ("start_time", "startTime")
END = ("end_time", "endTime")
MODEL = ("provided_model_name", "model", "providedModelName")
PARAMETERS = ("model_parameters", "modelParameters")
USAGE = ("usage_details", "usageDetails", "usage")
COST = ("total_cost", "totalCost", "calculatedTotalCost", "calculated_total_cost")
OWN = ("provided_model_name", "trace_id", "traceId", "usage_details", "usageDetails", "traceName")
CACHED = ("input_cached_tokens", "input_cache_read", "cache_read_input_tokens")


def is_row(fields: Fields) -> bool:
    is_own = fields.get("type") == "GENERATION" or any(name in fields for name in OWN)
    return is_own and "input" in fields and first(fields, START) is not None


def call_of(fields: Fields) -> Call:
    """Raises BadCall, NoCall."""
    kind, model = str(fields.get("type") or "GENERATION"), first(fields, MODEL)
    if kind.upper() != "GENERATION":
        raise NoCall(f"observations of type {kind}")
    if fields.get("level") == "ERROR":
        raise NoCall("failed calls")
    asked = unix(first(fields, START))
    seconds = between(asked, unix(first(fields, END)))
    return Call(
        question=Question.from_body({**_request(fields), "model": model}),
        asked=asked,
        seconds=number(fields.get("latency")) if seconds is None else seconds,
        body=answer_of(fields.get("output"), model or "", _usage(as_object(first(fields, USAGE)) or {})),
        cost=nano(first(fields, COST)),
    )


def _request(fields: Fields) -> dict[str, Any]:
    given = opened(fields.get("input"))
    params = {name: opened(value) for name, value in (as_object(first(fields, PARAMETERS)) or {}).items()}
    if isinstance(given, Mapping) and isinstance(given.get("messages"), list):
        return {**params, **given}
    if isinstance(given, Mapping) and "role" in given:
        given = [given]
    if isinstance(given, list) and given and all(isinstance(each, Mapping) and "role" in each for each in given):
        return {**params, "messages": given}
    if given in (None, "", {}, []):
        raise BadCall("it has no input")
    text = given if isinstance(given, str) else dumps(given, sort_keys=True).decode()
    return {**params, "messages": [{"role": "user", "content": text}]}


def _usage(details: Fields) -> dict[str, Any] | None:
    """`input` excludes tokens with their own key, such as cached ones, so all are added up."""
    read = sum(count(value) for name, value in details.items() if name.startswith(("input", "cache_")))
    written = sum(count(value) for name, value in details.items() if name.startswith("output"))
    return usage_of(read, written, sum(count(details.get(name)) for name in CACHED))

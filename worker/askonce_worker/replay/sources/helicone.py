"""Helicone's exports: rows of `@helicone/export` or of its API, with the bodies (`--include-body`)."""

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
    unix,
    usage_of,
)

MODEL = ("request_model", "model", "response_model")
COST = ("cost", "cost_usd", "costUSD")
CHAT = "chat/completions"


def is_row(fields: Fields) -> bool:
    return "request_created_at" in fields


def call_of(fields: Fields) -> Call:
    """Raises BadCall, NoCall."""
    status, path = number(fields.get("response_status")), str(fields.get("request_path") or "")
    if status is not None and not 200 <= status < 300:
        raise NoCall("failed calls")
    body = as_object(fields.get("request_body"))
    if body is None:
        raise BadCall("it has no request_body: export with --include-body")
    if not isinstance(body.get("messages"), list):
        raise NoCall(f"requests of {path}" if path and CHAT not in path else "requests other than chat completions")
    asked, ms = unix(fields.get("request_created_at")), number(first(fields, ("delay_ms", "latency")))
    model = body.get("model") or first(fields, MODEL)
    counted = usage_of(count(fields.get("prompt_tokens")), count(fields.get("completion_tokens")))
    return Call(
        question=Question.from_body({**body, "model": model}),
        asked=asked,
        seconds=between(asked, unix(fields.get("response_created_at"))) if ms is None else max(0.0, ms / 1000),
        body=answer_of(fields.get("response_body"), model or "", counted),
        cost=nano(first(fields, COST)),
    )

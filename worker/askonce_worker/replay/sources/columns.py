"""Custom tables and logs: columns by their usual names, or by those that `--column` gives.

{"time": "2026-05-04T10:00:00Z", "model": "gpt-4o-mini", "text": "…", "answer": "…", "latency_ms": 812}
{"time": 1777888800, "request": {"model": …, "messages": […]}, "response": {"choices": […], "usage": {…}}}
"""

from collections.abc import Mapping
from typing import Any

from askonce.question import Question
from askonce_worker.replay.calls import BadCall, Call
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

NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "question", "prompt", "query", "user_message"),
    "request": ("request", "request_body", "body", "kwargs"),
    "messages": ("messages",),
    "system": ("system", "system_prompt"),
    "template": ("template",),
    "params": ("params", "parameters", "model_parameters"),
    "model": ("model", "model_name"),
    "namespace": ("namespace",),
    "time": ("time", "timestamp", "created_at", "start_time", "startTime", "started_at", "asked_at", "ts", "created"),
    "end": ("end_time", "endTime", "finished_at", "ended_at"),
    "latency": ("latency", "latency_s", "latency_seconds", "duration", "duration_s"),
    "latency_ms": ("latency_ms", "duration_ms", "delay_ms", "elapsed_ms"),
    "answer": ("answer", "response", "response_body", "completion", "output"),
    "usage": ("usage",),
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "completion_tokens": ("completion_tokens", "output_tokens"),
    "cost": ("cost", "cost_usd", "total_cost", "spend"),
}
"""Fields, and the column names that are tried for each."""


def call_of(fields: Fields) -> Call:
    """Raises BadCall."""

    def get(name: str) -> Any:
        return first(fields, NAMES[name])

    question = _question(fields, get("request"), get("messages"), get("text"))
    asked = unix(get("time"))
    return Call(
        question=question,
        asked=asked,
        seconds=_seconds(get("latency"), get("latency_ms"), between(asked, unix(get("end")))),
        body=answer_of(get("answer"), question.model or "", _usage(get)),
        cost=nano(get("cost")),
    )


def _seconds(seconds: Any, ms: Any, otherwise: float | None) -> float | None:
    found, thousandths = number(seconds), number(ms)
    if found is None and thousandths is not None:
        found = thousandths / 1000
    return otherwise if found is None else max(0.0, found)


def _usage(get: Any) -> Fields | None:
    whole = as_object(get("usage"))
    return whole or usage_of(count(get("prompt_tokens")), count(get("completion_tokens")))


def _question(fields: Fields, request: Any, messages: Any, text: Any) -> Question:
    body, found = as_object(request), opened(messages)
    model = first(fields, NAMES["model"])
    if body is not None and "messages" in body:
        return Question.from_body({"model": model, **body})
    if isinstance(found, list) and found:
        known = {name for names in NAMES.values() for name in names}
        params = {name: value for name, value in fields.items() if name not in known and value is not None}
        given = as_object(first(fields, NAMES["params"])) or {}
        return Question.from_body({"model": model, **_sampling(params), **given, "messages": found})
    if not isinstance(text, str) or not text.strip():
        raise BadCall("it has no request, messages or text: --column text=NAME names the column")
    return Question(
        text,
        model=model,
        system=first(fields, NAMES["system"]),
        template=first(fields, NAMES["template"]),
        params=as_object(first(fields, NAMES["params"])) or {},
    )


SAMPLING = frozenset({
    "frequency_penalty", "logit_bias", "max_completion_tokens", "max_tokens", "n", "presence_penalty",
    "reasoning_effort", "response_format", "seed", "stop", "temperature", "tool_choice", "tools", "top_k", "top_p",
    "verbosity",
})  # fmt: skip
"""In a row that mixes a request with other fields, the parameters that shape the answer."""


def _sampling(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name in SAMPLING}

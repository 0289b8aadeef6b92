"""A chunk: up to `chunk_size` questions of one namespace in one job, as it travels through Redis.

Each scope is written once, since most questions of a pipeline share one:

    {"v": 1, "namespace": "default", "timeout_ms": 604800000,
     "scopes": [{"model": "gpt-4o-mini", "system": "…"}],
     "questions": [{"id": "…", "text": "…"}, {"id": "…", "text": "…", "scope": 1}],
     "traces": ["00-…-…-01"], "zstd": 1}

`scope` is an index into the scopes, 0 if missing. `traces` (optional) has the W3C `traceparent` of each trace in which
a question was submitted. `zstd` (optional) is the newest version of compressed results (`records.py`) that those who
fetch them can read. `payer` (optional) is the front-door key that pays: `{"key": "shop", "nano": 200000000000,
"period": "day"}`. `params_text` replaces `params` whose integers are too large for most JSON readers. A question with
`"schema": true` needs an answer that fits the JSON schema in its `params`; otherwise the answer is repaired or fails.
The schema alone does not ask for that: if a server ignores it, its answer is returned as it is, and no repair is paid
for. Workers that do not know the field ignore it, and workers that do check their cached answers again.

A scope is named by the first rule (`fingerprint`), unless it is written so:

    {"identity": 2, "fields": {"model": "gpt-4o-mini", "params": {"temperature": 0}}}

A worker that knows only the first rule finds no model there, and fails these questions as invalid. So does one that
knows chat completions alone with a scope of another endpoint, which is written so:

    {"endpoint": "responses", "asked": {"model": "gpt-4o-mini", "params": {"temperature": 0}}}
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.contract.trace_context import MOST, readable_traces
from askonce.errors import InvalidQuestion
from askonce.fingerprint import FIRST_RULE, RULE
from askonce.json_values import dumps, has_large
from askonce.payer import PERIODS, Payer
from askonce.question import SHARED_FIELDS, Endpoint, Question
from askonce.question_checks import ENDPOINTS, MAX_TTL, TIERS, check_job_id, check_namespace

VERSION = 1
FUNCTION = "answer_chunk"
"""The name of the job that answers a chunk."""
QUESTION_FIELDS = ("cache", "ttl", "threshold", "metadata", "semantic")
GIVEN = ("system", "messages")
"""Fields of a scope that are written even when empty."""
MAX_QUESTIONS = 10_000


@dataclass(frozen=True, slots=True)
class BadQuestion:
    """A question of a chunk that cannot be asked, and why."""

    job_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """timeout_ms: from submit to the deadline of each question."""

    namespace: str
    timeout_ms: int
    questions: tuple[Question, ...]
    bad: tuple[BadQuestion, ...] = ()
    traces: tuple[str, ...] = ()


def pack(
    namespace: str, timeout_ms: int, questions: Sequence[Question], traces: Sequence[str] = (), *, reads: int = 0
) -> bytes:
    """Packs checked questions of one namespace and payer, each with its job id. reads: the newest readable version of
    compressed results."""
    scopes: list[dict[str, Any]] = []
    indexes: dict[tuple[str, bytes], int] = {}
    packed = []
    for question in questions:
        # Questions of one scope may differ in parameters that only affect delivery, such as `user`. Each keeps its own.
        variant = (question.scope, dumps(question.params) if question.params else b"")
        index = indexes.get(variant)
        if index is None:
            index = indexes[variant] = len(scopes)
            scopes.append(_scope(question))
        item: dict[str, Any] = {"id": question.job_id, "text": question.text}
        if index:
            item["scope"] = index
        _add_own(item, question)
        packed.append(item)
    chunk = {"v": VERSION, "namespace": namespace, "timeout_ms": timeout_ms, "scopes": scopes, "questions": packed}
    if traces:
        chunk["traces"] = list(traces[:MOST])
    if reads:
        chunk["zstd"] = reads
    payer = questions[0].payer
    if payer is not None:
        chunk["payer"] = {"key": payer.key, "nano": payer.nano, "period": payer.period}
    return orjson.dumps(chunk)


def _add_own(item: dict[str, Any], question: Question) -> None:
    """Adds the fields that differ from the defaults."""
    if question.cache != "use":
        item["cache"] = question.cache
    if question.ttl is not None:
        item["ttl"] = question.ttl
    if question.threshold is not None:
        item["threshold"] = question.threshold
    if question.metadata is not None:
        item["metadata"] = question.metadata
    if not question.semantic:
        item["semantic"] = False
    if question.tier is not None:
        item["tier"] = question.tier
    if question.schema is not None:
        item["schema"] = True


def _scope(question: Question) -> dict[str, Any]:
    values = {name: getattr(question, name) for name in SHARED_FIELDS}
    scope = {name: value for name, value in values.items() if value or (name in GIVEN and value is not None)}
    if has_large(question.params):
        scope["params_text"] = dumps(scope.pop("params")).decode()
    if question.endpoint != "chat":
        return {"endpoint": question.endpoint, "asked": scope}
    return {"identity": question.rule, "fields": scope} if question.ruled and question.rule != FIRST_RULE else scope


def unpack(payload: Any) -> Chunk:
    """The chunk in a job's argument. A malformed question goes into `bad` and does not affect the others.

    Raises ValueError if the chunk as a whole is malformed.
    """
    if not isinstance(payload, dict) or payload.get("v") != VERSION:
        raise ValueError("not a chunk of version 1")
    namespace, timeout_ms, scopes, items = (payload.get(k) for k in ("namespace", "timeout_ms", "scopes", "questions"))
    try:
        check_namespace(namespace)
    except InvalidQuestion as error:
        raise ValueError(str(error)) from error
    if type(timeout_ms) is not int or not 0 < timeout_ms <= MAX_TTL * 1000 or not isinstance(scopes, list):
        raise ValueError("a chunk has scopes and a timeout_ms above 0")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_QUESTIONS:
        raise ValueError(f"a chunk has 1 to {MAX_QUESTIONS} questions")
    reads = payload.get("zstd")
    own = {"reads": reads if type(reads) is int else 0, "payer": _payer(payload.get("payer"))}
    shared = [_shared(scope, str(namespace), own) for scope in scopes]
    questions: list[Question] = []
    bad: list[BadQuestion] = []
    for item in items:
        job_id = _job_id(item)
        try:
            questions.append(_question(item, job_id, shared))
        except InvalidQuestion as error:
            bad.append(BadQuestion(job_id, str(error)))
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            bad.append(BadQuestion(job_id, f"malformed question: {type(error).__name__}"))
    return Chunk(str(namespace), timeout_ms, tuple(questions), tuple(bad), readable_traces(payload.get("traces")))


def _payer(given: Any) -> Payer | None:
    """Raises ValueError: without a readable payer, nothing may be spent."""
    if given is None:
        return None
    key, nano, period = (given.get(name) for name in ("key", "nano", "period")) if isinstance(given, dict) else "???"
    if not isinstance(key, str) or type(nano) is not int or not 0 < nano < 2**53 or period not in PERIODS:
        raise ValueError("the payer of a chunk is malformed")
    return Payer(key, nano, period)


def _shared(scope: Any, namespace: str, own: dict[str, Any]) -> Question | InvalidQuestion:
    """Everything except the texts of one scope's questions, checked once for all of them. own: fields of the chunk."""
    try:
        endpoint = _endpoint(scope)
        fields = scope["asked"] if endpoint != "chat" else scope.get("fields", scope)
        known = {name: fields[name] for name in SHARED_FIELDS if name in fields}
        if "params_text" in fields:
            known["params"] = json.loads(fields["params_text"])
        question = Question("-", namespace=namespace, endpoint=endpoint, **known).checked(
            namespace=namespace, model=None
        )
        question = question.with_fields(**own)
        return question.with_fields(rule=_rule(scope.get("identity", FIRST_RULE))) if question.ruled else question
    except InvalidQuestion as error:
        return error
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        return InvalidQuestion(f"malformed scope: {type(error).__name__}")


def _endpoint(scope: Any) -> Endpoint:
    endpoint: Endpoint = scope.get("endpoint", "chat")
    if endpoint not in ENDPOINTS:
        raise InvalidQuestion("it is for an endpoint of a newer release: upgrade the workers first")
    return endpoint


def _rule(rule: Any) -> int:
    if type(rule) is not int or not FIRST_RULE <= rule <= RULE:
        raise InvalidQuestion("its scope is from a newer release: upgrade the workers first")
    return int(rule)


def _job_id(item: Any) -> str:
    try:
        check_job_id(item["id"])
    except (InvalidQuestion, TypeError, KeyError):
        raise ValueError("a question of the chunk has no job id") from None
    return str(item["id"])


def _question(item: dict[str, Any], job_id: str, shared: list[Question | InvalidQuestion]) -> Question:
    index = item.get("scope", 0)
    if not isinstance(index, int) or index < 0:
        raise InvalidQuestion("a question names no scope")
    known = shared[index]
    if isinstance(known, InvalidQuestion):
        raise known
    own = {name: item[name] for name in QUESTION_FIELDS if name in item}
    if item.get("tier") in TIERS:  # a newer client may know more of them
        own["tier"] = item["tier"]
    if item.get("schema") is True:
        own["schema"] = True
    question = known.with_fields(text=item["text"], job_id=job_id, **own)
    question.check()
    return question

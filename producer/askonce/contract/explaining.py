"""How a client asks the workers to explain a question, and how one of them replies.

The job is in the interactive lane, under its own name. Its argument has the question in a chunk of one:

    {"v": 1, "reply_to": "<id>", "chunk": {…}}

It is not a chunk itself: an older worker gives up the job and publishes nothing. The reply is the record of an
`Explanation`, under `Keys.explained`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from askonce.contract.chunk import pack, unpack
from askonce.explanation import Difference, ExactEntry, Explanation, InForce, NearEntry
from askonce.question import Question
from askonce.readable import read_object

VERSION = 1
EXPLAIN = "explain_question"
"""The name of the job."""


@dataclass(frozen=True, slots=True)
class Request:
    """timeout_ms: after this time since submission, nobody waits for the reply."""

    reply_to: str
    question: Question
    timeout_ms: int


def pack_request(reply_to: str, question: Question, timeout_ms: int) -> bytes:
    """question: checked."""
    chunk = pack(question.namespace or "", timeout_ms, [question.with_fields(job_id=reply_to)])
    return orjson.dumps({"v": VERSION, "reply_to": reply_to, "chunk": orjson.Fragment(chunk)})


def unpack_request(payload: Any) -> Request:
    """Raises ValueError."""
    if not isinstance(payload, dict) or payload.get("v") != VERSION:
        raise ValueError("not a request of version 1")
    chunk = unpack(payload.get("chunk"))
    if chunk.bad:
        raise ValueError(chunk.bad[0].reason)
    [question] = chunk.questions
    if question.job_id != payload.get("reply_to"):
        raise ValueError("a request that names no reply")
    return Request(question.job_id or "", question, chunk.timeout_ms)


def explanation_record(explanation: Explanation) -> bytes:
    return orjson.dumps({"v": VERSION, **asdict(explanation)})


def read_explanation(raw: bytes) -> Explanation:
    """Raises ValueError if it is malformed, or of an unknown version. Fields of later releases are ignored."""
    record = read_object(raw)
    if record.get("v") != VERSION:
        raise ValueError(f"an explanation of version {record.get('v')}")
    try:
        in_force = record.get("in_force")
        nested = {
            "exact": ExactEntry(
                **{**_known(ExactEntry, record["exact"]), **_tuples(record["exact"], "invalidated_by")}
            ),
            "in_scope": tuple(map(_near, record["in_scope"])),
            "elsewhere": tuple(map(_near, record["elsewhere"])),
            "in_force": None if in_force is None else InForce(**_known(InForce, in_force)),
        }
        return Explanation(**{**_known(Explanation, record), **nested})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a malformed explanation: {type(error).__name__}") from error


def _near(record: Mapping[str, Any]) -> NearEntry:
    found = tuple(Difference(**_known(Difference, each)) for each in record["differences"])
    return NearEntry(**{**_known(NearEntry, record), **_tuples(record, "refused_by"), "differences": found})


def _tuples(record: Mapping[str, Any], name: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(map(str, record[name]))}


def _known(kind: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in kind.__dataclass_fields__ if name in record}

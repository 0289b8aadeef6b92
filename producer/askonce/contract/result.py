"""An answer as stored under its job id, where it replaces the pending marker."""

from typing import Any, cast

from askonce.answer import Answer, AnswerError, ErrorKind
from askonce.contract.records import VERSION, read_record, write_record
from askonce.question import Question
from askonce.readable import text_of
from askonce.replies.shapes import reply_of

FIELDS = (
    "source", "similarity", "matched_question", "model", "cached_at", "metadata", "body", "unmatched", "waited", "tier",
    "cost",
)  # fmt: skip
TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(FIELDS, object),
    "unmatched": str,
    "waited": (int, float),
    "tier": str,
    "cost": (int, float),
}
"""Types of the fields. A malformed explanatory one is dropped, which does not harm the answer."""


def result_record(answer: Answer, asked: Question | None = None) -> bytes:
    """The record without its fingerprint, which scripts take from the pending marker.

    asked: the question, stored with another question's answer so that a wrong hit can be reported by job id. The record
    is compressed if its submitter can read that.
    """
    record: dict[str, Any] = {"status": answer.status}
    for name in FIELDS:
        value = getattr(answer, name)
        if value is not None:
            record[name] = value
    if asked is not None and answer.matched_question not in (None, asked.text):
        record["asked"] = {"text": asked.text, "scope": asked.scope, "model": asked.model}
    if answer.error is not None:
        error = answer.error
        record["error"] = {"kind": error.kind, "message": error.message, "status": error.status}
    return write_record(record, compressed=asked is not None and asked.reads >= VERSION)[1:]


def read_result(job_id: str, raw: bytes) -> Answer | None:
    """The answer in a result record; None for a pending marker. Raises ValueError for anything else."""
    record = read_record(raw)
    if "fingerprint" not in record:
        raise ValueError("neither a pending marker nor an answer")
    if "deadline" in record:
        return None
    if record.get("status") not in ("answered", "failed"):
        raise ValueError("a result without a status")
    if record["status"] == "answered":
        reply_of(record.get("body"))
    fields: dict[str, Any] = {
        name: value for name, value in record.items() if name in TYPES and isinstance(value, TYPES[name])
    }
    return Answer(job_id, record["status"], error=_read_error(record), **fields)


def _read_error(record: dict[str, Any]) -> AnswerError | None:
    error = record.get("error")
    if error is None:
        return None
    if not isinstance(error, dict) or not isinstance(error.get("status"), int | None):
        raise ValueError("a malformed error")
    kind = cast("ErrorKind", text_of(error, "kind"))  # a newer worker may know more of them
    return AnswerError(kind, text_of(error, "message"), error.get("status"))

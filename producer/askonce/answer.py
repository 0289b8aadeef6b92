"""What comes back for a question, and how it stands in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from askonce.question import Question
from askonce.readable import completion_of, read_object, text_of

Source = Literal["exact", "semantic", "inflight", "llm"]


@dataclass(frozen=True, slots=True)
class AnswerError:
    """Why there is no answer.

    kind: `cancelled`, `expired`, `invalid_question`, `bad_request`, `rate_limit`, `quota`, `timeout`, `connection`,
    `server_error`, `invalid_response`, `crashed` or `unknown_job`. status: the provider's HTTP status, if it answered.
    """

    kind: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    text: None for a failed one, and where the model called tools or refused. similarity: cosine, of a semantic or
    in-flight match. cached_at: Unix seconds at which the answer was stored, for one out of the cache. body: the
    provider's chat-completion object (of a failed one, its error), untouched. unmatched: why the question was asked
    without looking for similar ones first, such as `embeddings_slow`; None for one that was matched as it should be.
    """

    job_id: str | None
    status: Literal["answered", "failed"]
    source: Source | None = None
    similarity: float | None = None
    matched_question: str | None = None
    model: str | None = None
    cached_at: int | None = None
    error: AnswerError | None = None
    metadata: Any = None
    body: Mapping[str, Any] | None = None
    unmatched: str | None = None

    @property
    def text(self) -> str | None:
        content = self._message().get("content")
        return content if isinstance(content, str) else None

    @property
    def finish_reason(self) -> str | None:
        return self._choice().get("finish_reason")

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The provider's count of tokens for the call that made this answer, whoever paid for it."""
        return self.body.get("usage") if self.body is not None else None

    @property
    def refusal(self) -> str | None:
        return self._message().get("refusal")

    def _choice(self) -> Mapping[str, Any]:
        if self.body is None or self.status == "failed":
            return {}
        choice: Mapping[str, Any] = self.body["choices"][0]
        return choice

    def _message(self) -> Mapping[str, Any]:
        message: Mapping[str, Any] = self._choice().get("message") or {}
        return message


def text_body(text: str, *, model: str, usage: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A chat-completion body around a text that no provider sent."""
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": dict(usage) if usage is not None else None,
    }


def result_record(answer: Answer, asked: Question | None = None) -> bytes:
    """An answer as it stands in Redis, after its fingerprint: the scripts take that from the pending marker.

    asked: is kept beside an answer that is another question's, so that a wrong hit can be reported by its job id.
    """
    record: dict[str, Any] = {"status": answer.status}
    for name in ("source", "similarity", "matched_question", "model", "cached_at", "metadata", "body", "unmatched"):
        value = getattr(answer, name)
        if value is not None:
            record[name] = value
    if asked is not None and answer.matched_question not in (None, asked.text):
        record["asked"] = {"text": asked.text, "scope": asked.scope, "model": asked.model}
    if answer.error is not None:
        error = answer.error
        record["error"] = {"kind": error.kind, "message": error.message, "status": error.status}
    return orjson.dumps(record)[1:]


def read_result(job_id: str, raw: bytes) -> Answer | None:
    """The answer in a result record; None for a pending marker. Raises ValueError for anything else."""
    record = read_object(raw)
    if "fingerprint" not in record:
        raise ValueError("neither a pending marker nor an answer")
    if "deadline" in record:
        return None
    if record.get("status") not in ("answered", "failed"):
        raise ValueError("a result without a status")
    if record["status"] == "answered":
        completion_of(record.get("body"))
    return Answer(
        job_id=job_id,
        status=record["status"],
        source=record.get("source"),
        similarity=record.get("similarity"),
        matched_question=record.get("matched_question"),
        model=record.get("model"),
        cached_at=record.get("cached_at"),
        error=_read_error(record),
        metadata=record.get("metadata"),
        body=record.get("body"),
        unmatched=record.get("unmatched") if isinstance(record.get("unmatched"), str) else None,
    )


def _read_error(record: dict[str, Any]) -> AnswerError | None:
    error = record.get("error")
    if error is None:
        return None
    if not isinstance(error, dict) or not isinstance(error.get("status"), int | None):
        raise ValueError("a malformed error")
    return AnswerError(text_of(error, "kind"), text_of(error, "message"), error.get("status"))

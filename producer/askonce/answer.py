"""What comes back for a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from askonce.readable import message_text
from askonce.replies.shapes import finish_reason_of, messages_of

Source = Literal["exact", "semantic", "inflight", "llm"]


ErrorKind = Literal[
    "bad_request",
    "budget",
    "cancelled",
    "connection",
    "crashed",
    "expired",
    "invalid_answer",
    "invalid_question",
    "invalid_response",
    "quota",
    "rate_limit",
    "server_error",
    "timeout",
    "unknown_job",
]


@dataclass(frozen=True, slots=True)
class AnswerError:
    """Why there is no answer.

    Args:
        kind: What went wrong. docs/producers.md says what to do about each kind.
        message: The cause in words; the provider's own, if it responded.
        status: The provider's HTTP status, if it responded.
    """

    kind: ErrorKind
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Args:
        job_id: The job's id. None for an answer from the exact cache, which needed no job.
        status: `answered` or `failed`.
        source: Where it came from: `exact`, `semantic`, `inflight` or `llm`. None for a failed one.
        similarity: Cosine similarity of the matched question, for a semantic or in-flight match.
        matched_question: The text of the question whose answer this is, for such a match.
        model: The model that answered, as the provider names it.
        cached_at: Unix seconds at which the answer was stored, for one from the cache.
        error: Why there is no answer, for a failed one.
        metadata: The question's metadata, unchanged.
        body: The provider's reply, unchanged: a chat completion, a response, or embeddings. For a failed one,
            its error; for the kind `invalid_answer`, the reply that does not fit, if this question paid for it.
        unmatched: Why the question was asked without looking for similar ones first, such as `embeddings_slow`. None
            if it was matched normally.
        waited: Seconds that the search for similar questions took, if it waited for a slow server.
        tier: How its call was paid, if not in the standard tier: `flex`, `batch`, or the provider's word.
        cost: What that call cost, at the worker's prices. None without a call of its own, or without a price.
        parsed: If a schema was given, the parsed text: an object of the pydantic model, or the JSON value. None if the
            model called tools or refused.
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
    waited: float | None = None
    tier: str | None = None
    cost: float | None = None
    parsed: Any = None

    @property
    def text(self) -> str | None:
        """What the model said. None for a failed answer, embeddings, tool calls and refusals."""
        return message_text(self._message())

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, in the provider's words."""
        return None if self.body is None or self.status == "failed" else finish_reason_of(self.body)

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The tokens of the call that made this answer, as counted by the provider; a repaired one took two calls."""
        return self.body.get("usage") if self.body is not None else None

    @property
    def refusal(self) -> str | None:
        """The provider's refusal, if there is one."""
        return self._message().get("refusal")

    def _message(self) -> Mapping[str, Any]:
        if self.body is None or self.status == "failed":
            return {}
        return next(iter(messages_of(self.body)), {})

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
        message: The cause in words, the provider's own where it answered.
        status: The provider's HTTP status, where it answered.
    """

    kind: ErrorKind
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Args:
        job_id: The job's id. None for an answer of the exact cache, which needed no job.
        status: `answered` or `failed`.
        source: Where it comes from: `exact`, `semantic`, `inflight` or `llm`. None for a failed one.
        similarity: Cosine similarity of the matched question, of a semantic or in-flight match.
        matched_question: The text of the question whose answer this is, of such a match.
        model: The model that answered, as the provider names it.
        cached_at: Unix seconds at which the answer was stored, for one out of the cache.
        error: Why there is no answer, for a failed one.
        metadata: The question's, as it was.
        body: The provider's reply, untouched: a chat completion, a response, or embeddings. Of a failed one its error;
            of one of kind `invalid_answer` the reply that does not fit, for who has paid for it.
        unmatched: Why the question was asked without looking for similar ones first, such as `embeddings_slow`. None
            for one that was matched as it should be.
        waited: Seconds that the look for similar questions took, where it waited for a slow server.
        tier: How the call for it was paid, where not in the standard tier: `flex`, `batch`, or the provider's word.
        cost: What that call cost, by the worker's prices. None for one without a call of its own, or without a price.
        parsed: Where a schema was given, what the text says: an object of the pydantic model, or the value of the JSON.
            None where the model called tools or refused.
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
        """What the model said. None for a failed answer, embeddings, and where the model called tools or refused."""
        return message_text(self._message())

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped, in the provider's words."""
        return None if self.body is None or self.status == "failed" else finish_reason_of(self.body)

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The tokens of the call that made this answer, as the provider counts them; a repaired one took two calls."""
        return self.body.get("usage") if self.body is not None else None

    @property
    def refusal(self) -> str | None:
        """The provider's own refusal, where there is one."""
        return self._message().get("refusal")

    def _message(self) -> Mapping[str, Any]:
        if self.body is None or self.status == "failed":
            return {}
        return next(iter(messages_of(self.body)), {})

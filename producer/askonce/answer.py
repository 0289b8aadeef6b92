"""What comes back for a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from askonce.readable import message_text

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
        return message_text(self._message())

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

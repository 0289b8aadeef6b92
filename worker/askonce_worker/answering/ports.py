"""The pipeline's ports. Adapters inherit nothing."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from askonce.answer import Answer
from askonce.contract.unmatched import Unmatched
from askonce.prices.counts import STANDARD
from askonce.question import Question, Tier
from askonce_worker.audit.looks import Look

Vector = NDArray[np.float32]
"""An embedding: one dimension, float32, unit length."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the LLM said: the provider's body, otherwise untouched. cost: billionths, None if its price is not known.
    tier: how it was paid."""

    body: dict[str, Any]
    cost: int | None = None
    tier: str = STANDARD


@dataclass(frozen=True, slots=True)
class Embedding:
    """The embedding of a text. unmatched: why there is no vector."""

    vector: Vector | None
    unmatched: Unmatched | None = None


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """threshold: minimum cosine of a candidate. vectors: whether the candidates' vectors are needed."""

    scope: str
    vector: Vector
    threshold: float
    epochs: str = ""
    """The stamp its entry must have; '' for any. Stale entries would displace valid ones."""
    vectors: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored vector that is similar enough. vector: the vector itself, if requested."""

    fingerprint: str
    similarity: float
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class StoredVector:
    """A vector to store in the semantic cache."""

    fingerprint: str
    vector: Vector
    scope: str
    epochs: str
    model: str
    namespace: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached answer. created_at, expires_at: Unix seconds of Redis. valid: it was seen to fit its schema."""

    fingerprint: str
    question: str
    scope: str
    epochs: str
    created_at: int
    expires_at: int
    body: dict[str, Any]
    valid: bool = False


@dataclass(frozen=True, slots=True)
class QuestionState:
    """What Redis knows of a question.

    pending: it still waits for its answer, in this job. epochs: the current stamp. entry: its own in the cache.
    """

    pending: bool
    epochs: str
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class LiveEntries:
    """Entries by their fingerprints, and the stamp of each question, which is read after them: an entry with the same
    stamp was not invalidated before this was asked for."""

    entries: Mapping[str, Entry]
    epochs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Finished:
    """A question and its answer, to be sent. hit: the fingerprint of the entry that served it. lane: its job's.
    look: the match that is to be looked at now. count: the questions that it stands for, copies included."""

    question: Question
    answer: Answer
    hit: str | None = None
    lane: str = ""
    look: Look | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An answer to cache.

    epochs: the stamp under which its question began. semantic: whether it may be found by similarity, once it has a
    vector. asked_ms: when the LLM was asked, Unix ms of Redis's clock, 0 for now; one that was asked later stays.
    """

    question: Question
    body: Mapping[str, Any]
    epochs: str
    vector: Vector | None
    semantic: bool = False
    asked_ms: int = 0


class ExactCache(Protocol):
    async def look_up(self, questions: Sequence[Question], job: str = "") -> list[QuestionState]:
        """One round trip for all of them, which share a namespace. job: the `lane:job` they came in."""
        ...

    async def live_entries(self, fingerprints: Sequence[str], questions: Sequence[Question]) -> LiveEntries:
        """The live entries among these, and the stamps of questions of one namespace; one round trip."""
        ...


class Embedder(Protocol):
    async def embed(self, texts: Sequence[str], *, lane: str = "bulk", within: float = math.inf) -> list[Embedding]:
        """One per text, in order. lane: determines the wait for a slow server. within: maximum seconds."""
        ...


class SemanticCache(Protocol):
    async def search(
        self, queries: Sequence[VectorQuery], *, lane: str = "bulk", within: float = math.inf, urgent: bool = False
    ) -> list[list[Candidate] | Unmatched]:
        """At most five candidates per query, most similar first, or why there was no search.

        lane: determines the wait for a slow server. within: maximum seconds. urgent: something else is held up
        meanwhile.
        """
        ...


MORE = 1.0
"""Seconds that the LLM gets beyond its question's deadline, so that the deadline ends it with its own error."""
Again = Callable[..., Awaitable[None]]  # joined=True: another question's turn waits for their common call


class LLM(Protocol):
    async def complete(
        self, question: Question, *, timeout: float, tier: Tier = "standard", again: Again | None = None
    ) -> Completion:
        """Asks the provider, with retries. again: awaited before each try except the first. Raises LLMError."""
        ...


class Reservation(Protocol):
    """One call's share of the provider's limits."""

    async def take(self) -> float:
        """0 if the call may be made now, else the seconds after which to call this again."""
        ...

    def waits_alone(self) -> bool:
        """Whether `take` was refused because of its namespace's own budget."""
        ...

    def renew(self) -> None:
        """A failed try used up what was taken: the next `take` is for another one."""
        ...

    def spent(self, usage: Mapping[str, Any] | None = None) -> None:
        """The call was made. usage: the provider's token count, which corrects the estimate."""
        ...

    def give_back(self) -> None:
        """The call is not made after all. Does nothing if it is spent or was never taken."""
        ...


class Budget(Protocol):
    def __call__(self, question: Question, lane: str) -> Reservation:
        """The share this question will need; nothing is taken yet. No I/O."""
        ...


class Outbound(Protocol):
    async def send(
        self,
        finished: Sequence[Finished],
        *,
        entries: Sequence[NewEntry] = (),
        settle: Sequence[Any] = (),
    ) -> None:
        """Store, settle, publish: in this order, in one round trip."""
        ...


class Clock(Protocol):
    def now_ms(self) -> int:
        """Unix ms of Redis's clock."""
        ...


class LLMError(Exception):
    """The LLM gave no answer.

    kind: `rate_limit`, `quota`, `timeout`, `connection`, `server_error`, `invalid_response`, `bad_request` (a 4xx),
    `budget` or `invalid_answer`. final: asking again would not help (a 4xx, an exhausted quota).
    status and body: the provider's, if it responded. own: it concerns the caller, not the question. cost: billionths,
    for an unusable answer that was paid for.
    """

    own = False
    cost: int | None = None

    def __init__(self, kind: str, message: str, *, final: bool, status: int | None = None, body: Any = None) -> None:
        super().__init__(message)
        self.kind, self.message, self.final = kind, message, final
        self.status, self.body = status, body


class SemanticCacheDown(Exception):
    """Qdrant is unreachable, or refuses."""


class VectorRefused(SemanticCacheDown):
    """Qdrant refuses this permanently."""

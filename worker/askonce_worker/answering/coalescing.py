"""What the pipeline needs of the part that joins near-duplicates in flight. The other ports stand in `ports.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from askonce_worker.answering.ports import Vector

Position = Any
"""How far a worker's view of the questions in flight had come; the coalescer's own."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An open question, as the coalescer sees it.

    key: unique among the open questions of this worker. asked_ms: when it was submitted, Unix ms of Redis's clock.
    slow: as a leader it may take long, since its tier does. patient: it may follow such a one. avoids: leaders whose
    outcome was no answer to it.
    """

    key: str
    fingerprint: str
    scope: str
    text: str
    epochs: str
    vector: Vector | None
    threshold: float
    may_follow: bool
    asked_ms: int = 0
    slow: bool = False
    patient: bool = True
    avoids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lead:
    """The claim succeeded: this worker asks the LLM, and settles."""

    leader: str
    scope: str


@dataclass(frozen=True, slots=True)
class Follow:
    """A leader asks the same at this moment. same: equal fingerprints. fingerprint: of its question."""

    leader: str
    text: str
    similarity: float
    same: bool
    scope: str = ""
    asked_ms: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Stale:
    """Too much has been settled since the position: look into the caches once more."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The leader's answer, or `{"error": ...}` where its failure holds for this question too."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Freed:
    """The leader came to nothing: claim again.

    Attributes:
        failure: why, as `{"error": ...}`, where the provider failed it.
        lapses: how many workers died over it; of a leader in a process for suspects, those before it too.
    """

    failure: dict[str, Any] | None = None
    lapses: int = 0


@dataclass(frozen=True, slots=True)
class AskYourself:
    """The leader's outcome is not for others: ask alone, beside the other followers."""


class Settlement(Enum):
    """Who else may have a leader's outcome."""

    SHARED = "shared"
    SAME_ONLY = "same"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Coalescer(Protocol):
    def position(self) -> Position: ...

    def join(self, asks: Sequence[Ask]) -> list[Follow | None]:
        """What matches a leader in the view follows it. No I/O."""
        ...

    async def claim(self, ask: Ask, position: Position) -> Lead | Follow | Stale: ...

    def settling(
        self, lead: Lead, settlement: Settlement, body: dict[str, Any] | None, *, reusable: float = 0.0
    ) -> Sequence[Any]:
        """What settles this leader, in the words of the outbound.

        body: the completion, or `{"error": ...}`. reusable: seconds for which questions that come later may have it.
        """
        ...

    def abandon(self, lead: Lead) -> None:
        """Frees the followers, in the background."""
        ...

    async def wait(self, follow: Follow) -> Shared | Freed | AskYourself: ...

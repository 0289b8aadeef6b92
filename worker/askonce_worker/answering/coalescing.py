"""The port for joining near-duplicates in flight. The other ports are in `ports.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from askonce_worker.answering.ports import Vector

Position = Any
"""A position in a worker's view of the questions in flight, opaque to the pipeline."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An open question, as the coalescer sees it.

    key: unique among the open questions of this worker. asked_ms: when it was submitted, Unix ms of Redis's clock.
    slow: as a leader it may take long, because of its tier. patient: it may follow a slow leader. avoids: leaders whose
    outcome did not answer it.
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
    """The claim succeeded: this worker asks the LLM and settles."""

    leader: str
    scope: str


@dataclass(frozen=True, slots=True)
class Follow:
    """A leader is asking the same. same: equal fingerprints. fingerprint: of its question."""

    leader: str
    text: str
    similarity: float
    same: bool
    scope: str = ""
    asked_ms: int = 0
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Stale:
    """Too much has settled since the position: read the caches again."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The leader's answer, or `{"error": ...}` if its failure also applies to this question."""

    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Freed:
    """The leader failed: claim again.

    Attributes:
        failure: why, as `{"error": ...}`, if the provider failed it.
        lapses: how many workers died over it; for a leader in a process for suspects, including earlier ones.
    """

    failure: dict[str, Any] | None = None
    lapses: int = 0


@dataclass(frozen=True, slots=True)
class AskYourself:
    """The leader's outcome is not for others: ask alone, in parallel with the other followers."""


class Settlement(Enum):
    """Who else may share a leader's outcome."""

    SHARED = "shared"
    SAME_ONLY = "same"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


class Coalescer(Protocol):
    def position(self) -> Position: ...

    def join(self, asks: Sequence[Ask]) -> list[Follow | None]:
        """Questions that match a leader in the view follow it. No I/O."""
        ...

    async def claim(self, ask: Ask, position: Position) -> Lead | Follow | Stale: ...

    def settling(
        self, lead: Lead, settlement: Settlement, body: dict[str, Any] | None, *, reusable: float = 0.0
    ) -> Sequence[Any]:
        """The arguments that settle this leader, for `Outbound.send`.

        body: the completion, or `{"error": ...}`. reusable: seconds for which later questions may use it.
        """
        ...

    def abandon(self, lead: Lead) -> None:
        """Frees the followers, in the background."""
        ...

    async def wait(self, follow: Follow) -> Shared | Freed | AskYourself: ...

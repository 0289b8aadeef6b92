"""Leaders, and what happens to them. No I/O, no clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from askonce_worker.answering.coalescing import Ask
from askonce_worker.inflight.vectors import Int8

Share = Literal["any", "same", "none"]
"""Who may have a leader's outcome: all its followers, those with its fingerprint, or none (they claim again)."""
Conflict = Callable[[str, str], str | None]
Reported = Callable[[str, str], bool]
"""Whether the questions of two fingerprints were matched before, and that was reported as wrong."""


@dataclass(frozen=True, slots=True)
class Leader:
    """slow: its tier may take long, so that nobody follows who cannot wait."""

    id: str
    fingerprint: str
    scope: str
    epochs: str
    text: str
    embedding: str
    vector: Int8 | None
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Claimant:
    """A question, and the leader that it becomes if no other one asks the same.

    position: tick of the view when the lookup in the caches began.
    """

    ask: Ask
    leader: Leader
    position: int


@dataclass(frozen=True, slots=True)
class Led:
    leader: Leader


@dataclass(frozen=True, slots=True)
class Ended:
    """reusable: seconds for which the answer may serve questions that come later, too; less than 0: for which it serves
    those that were asked before. at: Unix ms of Redis's clock."""

    leader: str
    share: Share
    reusable: float = 0.0
    at: int = 0


Change = Led | Ended

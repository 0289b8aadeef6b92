"""Leaders and their outcomes. No I/O, no clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from askonce_worker.answering.coalescing import Ask
from askonce_worker.inflight.vectors import Int8

Share = Literal["any", "same", "none"]
"""Who may share a leader's outcome: all its followers, those with its fingerprint, or none (they claim again)."""
Conflict = Callable[[str, str], str | None]
Reported = Callable[[str, str], bool]
"""Whether a match of these two fingerprints was reported as wrong."""


@dataclass(frozen=True, slots=True)
class Leader:
    """slow: its tier may take long, so questions that cannot wait do not follow it."""

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
    """A question, and the leader it becomes unless it matches another one.

    position: tick of the view when its cache lookup began.
    """

    ask: Ask
    leader: Leader
    position: int


@dataclass(frozen=True, slots=True)
class Led:
    leader: Leader


@dataclass(frozen=True, slots=True)
class Ended:
    """reusable: seconds for which the answer may also serve later questions; if negative, for which it serves only
    earlier ones. at: Unix ms of Redis's clock."""

    leader: str
    share: Share
    reusable: float = 0.0
    at: int = 0


Change = Led | Ended

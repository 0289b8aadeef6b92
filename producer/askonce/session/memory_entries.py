"""The entries of `memory_worker`, and why they answer a question or not."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from askonce.contract.exact_entry import by_exact_entry, raised_between
from askonce.contract.scope_record import differences, parts_of
from askonce.explanation import ExactEntry, Explanation, InForce, NearEntry, State
from askonce.fingerprint import normalised
from askonce.question import Question

MOST = 5

Epochs = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """asked, expires: of time.monotonic."""

    question: Question
    body: Mapping[str, Any]
    asked: float
    created_at: int
    expires: float
    epochs: Epochs

    def age(self) -> int:
        return max(0, int(time.time()) - self.created_at)

    def left(self) -> int:
        return max(0, int(self.expires - time.monotonic()))


def explained(question: Question, entries: Mapping[str, CachedAnswer], epochs: Epochs) -> Explanation:
    stamp = _text(epochs)
    known = by_exact_entry(question, stamp, _exact(entries.get(question.fingerprint), stamp))
    elsewhere = tuple(_near(question, entry) for entry in entries.values() if _is_elsewhere(question, entry))[:MOST]
    reason = "other_scope" if known.reason == "no_entry" and elsewhere else known.reason
    return replace(known, reason=reason, elsewhere=elsewhere, in_force=InForce(None), explained_by="worker")


def _exact(entry: CachedAnswer | None, stamp: str) -> ExactEntry:
    if entry is None:
        return ExactEntry()
    if entry.expires <= time.monotonic():
        return ExactEntry("expired")
    raised = raised_between(_text(entry.epochs), stamp)
    state: State = "invalidated" if raised else "valid"
    return ExactEntry(state, entry.age(), entry.left(), raised)


def _is_elsewhere(question: Question, entry: CachedAnswer) -> bool:
    """The same text in another scope of the namespace."""
    other = entry.question
    if other.namespace != question.namespace or entry.expires <= time.monotonic():
        return False
    return other.scope != question.scope and normalised(other.text) == normalised(question.text)


def _near(question: Question, entry: CachedAnswer) -> NearEntry:
    differ = differences(parts_of(question), parts_of(entry.question))
    return NearEntry(entry.question.text, 1.0, entry.age(), entry.left(), ("scope",), differ)


def _text(epochs: Epochs) -> str:
    return ".".join(map(str, epochs))

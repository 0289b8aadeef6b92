"""The exact cache's part of an explanation: its entry, and what follows from it. Pure."""

from askonce.contract.records import read_record
from askonce.explanation import ExactEntry, Explanation, Outcome, State
from askonce.question import Question
from askonce.readable import time_of

EPOCHS = ("all", "model", "namespace", "both")


def exact_entry(
    question: Question, raw: bytes | None, epochs: str, *, known: bool, now: int, fits: bool | None = None
) -> ExactEntry:
    """raw: the entry, if any. known: whether there was one recently. now: Unix seconds.

    fits: whether it fits the question's schema; None if not checked."""
    if raw is None:
        return ExactEntry("expired" if known else "none")
    try:
        record = read_record(raw)
        age, left = now - time_of(record, "created_at"), time_of(record, "expires_at") - now
        stamp, scope = str(record["epochs"]), record["scope"]
        fits = True if question.schema is None or record.get("valid") is True else fits
    except (ValueError, KeyError):
        return ExactEntry("unreadable")
    raised = raised_between(stamp, epochs)
    state: State = "unreadable"
    if raised:
        state = "invalidated"
    elif scope == question.scope:
        state = "unchecked" if fits is None else "valid" if fits else "unfit"
    return ExactEntry(state, max(0, age), max(0, left), raised)


def raised_between(before: str, now: str) -> tuple[str, ...]:
    """Which of the four counters differ between two stamps."""
    pairs = zip(EPOCHS, before.split("."), now.split("."), strict=False)
    return tuple(name for name, old, new in pairs if old != new)


def by_exact_entry(question: Question, epochs: str, exact: ExactEntry) -> Explanation:
    """The explanation, if the exact entry decides it. question: checked."""
    outcome: Outcome = "none"
    reason: str = question.cache
    if question.cache == "use":
        outcome = "exact" if exact.state == "valid" else "none"
        reason = {"valid": "exact", "none": "no_entry", "unreadable": "no_entry"}.get(exact.state, exact.state)
    return Explanation(
        outcome,
        reason,
        question.namespace or "",
        question.model or "",
        question.scope,
        question.fingerprint,
        epochs,
        exact,
    )

"""Chooses the reason for a hit or miss from everything found. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from askonce.explanation import Explanation, InForce, NearEntry
from askonce.question import Question

STALE = frozenset({"invalidated", "expired", "unfit"})
ELSEWHERE: dict[tuple[str, ...], str] = {("scope",): "other_scope", ("epoch",): "invalidated"}
"""Reasons by rule, if no other rule refuses the entry."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a similarity lookup. reason: why there was no lookup, with detail; '' if there was one. note: what
    is missing from it."""

    reason: str = ""
    detail: str = ""
    in_scope: tuple[NearEntry, ...] = ()
    elsewhere: tuple[NearEntry, ...] = ()
    note: str = ""


def explained(known: Explanation, found: Found, in_force: InForce) -> Explanation:
    """known: the explanation as far as the exact entry decides it."""
    whole = replace(
        known,
        in_scope=found.in_scope,
        elsewhere=found.elsewhere,
        in_force=in_force,
        explained_by="worker",
        note=found.note,
    )
    if known.outcome == "exact" or known.reason in ("bypass", "refresh"):
        return whole
    if found.reason and known.reason not in STALE:
        return replace(whole, reason=found.reason, detail=found.detail)
    if any(not entry.refused_by for entry in found.in_scope):
        return replace(whole, outcome="semantic", reason="semantic")
    if known.reason in STALE:
        return whole
    reason, detail = _why_none(found.in_scope, found.elsewhere)
    return replace(whole, reason=reason, detail=detail)


def _why_none(in_scope: Sequence[NearEntry], elsewhere: Sequence[NearEntry]) -> tuple[str, str]:
    """The nearest entry decides; of entries elsewhere, only one that nothing but its place rules out."""
    nearest = in_scope[0] if in_scope else None
    for entry in elsewhere:
        reason = ELSEWHERE.get(entry.refused_by)
        if reason is not None and (nearest is None or entry.similarity > nearest.similarity):
            return reason, ""
    if nearest is None:
        return "no_entry", ""
    if "threshold" in nearest.refused_by:
        return "below_threshold", ""
    return "refused", ", ".join(nearest.refused_by)


def why_exact_only(question: Question) -> str:
    """Why a question's own properties allow only exact matches."""
    if not question.semantic:
        return "semantic is False"
    if question.endpoint == "embeddings":
        return "vectors are of one text alone"
    if question.messages is not None:
        return "it is more than text"
    several = question.params.get("n")
    return f"n is {several}" if several not in (None, 1) else "its history calls tools"

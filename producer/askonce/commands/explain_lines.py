"""An explanation in a few lines: what would happen and why, the nearest question and what refuses it, the policy."""

from collections.abc import Sequence
from textwrap import wrap

from askonce.commands.text_table import age, rate, shortened, visible
from askonce.explanation import Difference, Explanation, NearEntry

REASONS = {
    "bypass": "it bypasses the cache",
    "refresh": "it asks for a fresh answer (cache=refresh)",
    "about_now": 'it asks about the present ("{detail}"), and such answers are not cached',
    "exact_only": "it is matched exactly only: {detail}",
    "semantic_off": "nothing is matched by similarity: {detail}",
    "too_long": "it is too long to be matched by similarity",
    "unmatched": "it could not be compared: {detail}",
    "expired": "its answer has expired, or was dropped",
    "unfit": "its answer is cached, but does not fit its schema",
    "unchecked": "its answer is cached; a worker still has to check whether it fits the schema",
    "other_scope": "cached in another scope",
    "below_threshold": "no question is similar enough",
    "refused": "the nearest question needs another answer: {detail}",
    "no_entry": "nothing like it is cached in this namespace",
}
ALONE = "its own answer is not cached, and others were not looked for"
LEAST = 20
"""Minimum characters shown of a question or value."""


def lines(found: Explanation, width: int) -> list[str]:
    nearest = _nearest(found)
    refused = _refused(nearest)
    fits = len(_near(nearest, LEAST, refused)) <= width
    near = _near(nearest, width, refused if fits else "")
    said = [_cut(visible(line), width) for line in (_verdict(found, nearest), near, _in_force(found))]
    alone = [] if fits else wrap(visible(refused), width, initial_indent="  ", subsequent_indent="    ")
    return [*said[:2], *alone, said[2]]


def _verdict(found: Explanation, nearest: NearEntry | None) -> str:
    if found.outcome == "exact":
        stored, left = _time(found.exact.age or 0), _time(found.exact.expires_in or 0)
        return f"hit, exact: stored {stored} ago, expires in {left}"
    if found.outcome == "semantic":
        return "hit, semantic: the answer to another question serves this one"
    if found.reason == "invalidated":
        raised = f" ({', '.join(found.exact.invalidated_by)})" if found.exact.invalidated_by else ""
        return f"no hit: what was cached was invalidated{raised}"
    if found.reason == "no_entry" and found.explained_by == "redis":
        return f"no hit: {ALONE}"
    why = REASONS.get(found.reason, found.reason).format(detail=found.detail.replace("_", " "))
    differ = nearest.differences if found.reason == "other_scope" and nearest is not None else ()
    return f"no hit: {why}{_differing(differ)}"


def _differing(differ: Sequence[Difference]) -> str:
    """The first difference with both values, the others by name."""
    if not differ:
        return ""
    first, *rest = differ
    asked, cached = (_short(value) for value in (first.asked, first.cached))
    others = f", and in {', '.join(each.field for each in rest)}" if rest else ""
    return f": {first.field} is {asked}, there {cached}{others}"


def _short(value: str | None) -> str:
    return "none" if value is None else shortened(visible(" ".join(value.split())), LEAST)


def _nearest(found: Explanation) -> NearEntry | None:
    """The one that decides."""
    if found.outcome == "semantic":
        return next((entry for entry in found.in_scope if not entry.refused_by), None)
    there = [*found.elsewhere, *found.in_scope] if found.reason == "other_scope" else found.in_scope or found.elsewhere
    return there[0] if there else None


def _near(entry: NearEntry | None, width: int, refused: str) -> str:
    """Shortens the question, down to `LEAST` characters, to fit the rest of the line."""
    if entry is None:
        return "nearest: none"
    score = "" if entry.score is None else f", score {entry.score:.3f}"
    facts = f" {entry.similarity:.4f}{score}, {_time(entry.age)} old" + (f"; {refused}" if refused else "")
    room = max(LEAST, width - len('nearest: ""') - len(facts))
    question = shortened(visible(" ".join(entry.question.split())), room)
    return f'nearest: "{question}"{facts}'


def _refused(entry: NearEntry | None) -> str:
    """All rules that refuse it, since that is what the reader wants to know."""
    if entry is None or not entry.refused_by:
        return ""
    return (
        f"refused: {', '.join(f'another {rule}' if rule in ('scope', 'epoch') else rule for rule in entry.refused_by)}"
    )


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _in_force(found: Explanation) -> str:
    return f"in force: {_policy(found)}; epochs {found.epochs}; scope {found.scope[:8]}… of {found.model}"


def _policy(found: Explanation) -> str:
    policy = found.in_force
    if policy is None:
        return "unknown"
    if policy.threshold is None:
        return "exact matches only"
    learnt = "" if policy.scorer == "cosine" else f" ({policy.scorer})"
    checks = "" if policy.check_chance is None else f", checks {rate(policy.check_chance)}"
    return f"threshold {policy.threshold:g}{learnt}{checks}"


def _time(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else age(seconds)

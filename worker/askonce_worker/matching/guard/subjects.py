"""What does it, and what it does: 'what causes stress', 'what does stress cause'."""

from collections.abc import Sequence

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.words import FUNCTION, stem

_WHO = frozenset(map(stem, ("what", "who", "which")))
_DO = frozenset(map(stem, ("do", "does", "did")))
_MODAL = frozenset(map(stem, ("can", "could", "may", "might", "will", "would", "should")))
_BE = frozenset(map(stem, ("is", "are", "was", "were", "am", "be")))
_TURNING = frozenset(map(stem, ("mean", "means", "cost", "costs", "happen", "happens", "happened")))
"""Verbs that learners of English put first: 'what means it?'."""
_REACH = 3
"""Maximum words from the question word to its auxiliary: 'which large firms did'."""


def asks_for_the_other(a: Features, b: Features) -> bool:
    """Whether one text asks for the subject of a verb and the other for its object."""
    if a.sequence[:1] != b.sequence[:1] or _WHO.isdisjoint(a.sequence[:1]) or len(a.counts) != len(b.counts):
        return False
    if len(a.sequence) == len(b.sequence):
        return _by_modal(a.sequence, b.sequence) or _by_modal(b.sequence, a.sequence)
    if abs(len(a.sequence) - len(b.sequence)) != 1:
        return False
    short, long = sorted((a.sequence, b.sequence), key=len)
    at = next((at for at, word in enumerate(long[: _REACH + 1]) if word in _DO), 0)
    return at > 0 and short[:at] == long[:at] and _verb_comes_later(short[at:], long[at + 1 :])


def _by_modal(a: Sequence[str], b: Sequence[str]) -> bool:
    at = next((at for at, word in enumerate(a[: _REACH + 1]) if word in _MODAL), 0)
    return at > 0 and a[: at + 1] == b[: at + 1] and _verb_comes_later(a[at + 1 :], b[at + 1 :])


def _verb_comes_later(first: Sequence[str], last: Sequence[str]) -> bool:
    """'Causes stress', 'stress cause'. The same verb may be irregular: 'taught', 'teach'."""
    if len(first) < 2 or first[0] in _BE | _MODAL | _DO | _TURNING:
        return False
    moved = next((at for at in range(len(last) - 1, 0, -1) if last[at] not in _PARTICLES), 0)
    rest = (*last[:moved], *last[moved + 1 :])
    return moved > 0 and sorted(rest) == sorted(first[1:]) and not FUNCTION.issuperset(last[:moved])


_PARTICLES = frozenset(
    map(stem, ("to", "in", "on", "for", "with", "from", "of", "at", "by", "about", "up", "out", "off"))
)

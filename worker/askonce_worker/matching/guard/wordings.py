"""Which words may replace each other if nothing else differs."""

from askonce_worker.matching.guard.affixes import NO_OPPOSITES
from askonce_worker.matching.guard.spelling import alike
from askonce_worker.matching.guard.words import REWORDINGS, SYNONYMS, UNITS

_STEM = 4
_ENDING = 2
"""Minimum letters of a stem, and maximum letters of an ending that does not change the word."""
_NONE = frozenset[int]()


def are_one(word: str, other: str) -> bool:
    """Whether two stems are known to mean the same, or are spelled alike."""
    if UNITS.get(word, word) == UNITS.get(other, other) or SYNONYMS.get(word, word) == SYNONYMS.get(other, other):
        return True
    if alike(word, other) or _has_ending(word, other) or not NO_OPPOSITES.isdisjoint((word, other)):
        return True
    return not REWORDINGS.get(word, _NONE).isdisjoint(REWORDINGS.get(other, _NONE))


def _has_ending(word: str, other: str) -> bool:
    """'Driving', 'driver'."""
    short, long = sorted((word, other), key=len)
    if short[:-1] == long[:-1] and {short[-1], long[-1]} == {"i", "y"}:
        return True  # tried, tries
    return len(short) >= _STEM and long.startswith(short) and len(long) - len(short) <= _ENDING


def without_known(words: set[str], others: set[str]) -> set[str]:
    """The words without an equivalent among the others."""
    return {word for word in words if not any(are_one(word, other) for other in others)}

"""Who does what to whom: 'A to B' is not 'B to A'."""

import re
from collections.abc import Mapping, Sequence

from askonce_worker.matching.guard.words import FUNCTION, JOINTS, PLACES, SYMMETRIC

_REACH = 2
_OPERATOR = re.compile(r"(?:(?<= )|^)(?:[<>=!]=*|\+\+?|&&?|\|\|?|[*/^%])(?=[ ?]|$)|(?<=\d)[-+*/^<>=](?=\d)")

Precedence = tuple[str, int, int]
"""A line of opposites or of a kind, and the member that stands before the other."""
Surroundings = Mapping[str, tuple[frozenset[str], frozenset[str]]]


def surroundings(words: Sequence[str]) -> Surroundings:
    """The nearest words of meaning on either side of each joint ('to', 'than', 到)."""
    around: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    if JOINTS.isdisjoint(words):
        return around
    words = [word for word in words if word not in FUNCTION or word in JOINTS]
    for at, word in enumerate(words):
        if word in JOINTS:
            left = frozenset(words[max(0, at - _REACH) : at]) - JOINTS
            around[word] = left, frozenset(words[at + 1 : at + 1 + _REACH]) - JOINTS
    return around


def swapped(a: Surroundings, b: Surroundings) -> bool:
    """What stands only left of a joint in the one text stands only right of it in the other, and the reverse."""
    for joint in a.keys() & b.keys():
        left_a, right_a = a[joint]
        left_b, right_b = b[joint]
        if (left_a - left_b) & (right_b - right_a) and (right_a - right_b) & (left_b - left_a):
            return True
    return False


def operators(cleaned: str) -> tuple[str, ...]:
    """Those of a calculation or a program: between numbers, or between blanks."""
    return tuple(_OPERATOR.findall(cleaned))


def precedences(words: Sequence[str]) -> frozenset[Precedence]:
    """Which of two opposites, or of two of a kind, stands first; none where 'and', 'or', 和 or the like joins them."""
    found: set[Precedence] = set()
    words = [word for word in words if word in PLACES or word in SYMMETRIC]
    if len(words) < 2:
        return frozenset()
    before: dict[str, set[int]] = {}
    for word in words:
        if word in SYMMETRIC:
            before.clear()
        for line, member in PLACES.get(word, ()):
            earlier = before.setdefault(line, set())
            found.update((line, first, member) for first in earlier - {member})
            earlier.add(member)
    return frozenset(found)


def precede_otherwise(a: frozenset[Precedence], b: frozenset[Precedence]) -> bool:
    return any((line, second, first) in b - a for line, first, second in a - b)

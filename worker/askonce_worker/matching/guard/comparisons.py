"""'As old as' is not 'older than'."""

import re

from askonce_worker.matching.guard.features import Features


def compare_otherwise(a: Features, b: Features) -> bool:
    """Whether one text asks for equality and the other for more of the same."""
    exceeds = "than" in b.words
    if ("than" in a.words) == exceeds:
        return False
    return _exceeds(a.text, b.text) if exceeds else _exceeds(b.text, a.text)


def _exceeds(equal: str, other: str) -> bool:
    qualities = _AS.findall(equal)
    if not qualities or _AS.search(other):
        return False
    more = _THAN.findall(other)
    return any(quality in more or _comparative(quality) in more for quality in qualities)


_AS = re.compile(r"\bas (\w+) as\b")
_THAN = re.compile(r"\b(\w+) than\b")
_IRREGULAR = {"good": "better", "well": "better", "bad": "worse", "far": "farther", "much": "more", "many": "more"}


def _comparative(quality: str) -> str:
    """Big, bigger; easy, easier; large, larger."""
    if quality in _IRREGULAR:
        return _IRREGULAR[quality]
    if quality.endswith("y"):
        return quality[:-1] + "ier"
    if quality.endswith("e"):
        return quality + "r"
    doubled = len(quality) == _SHORTEST and quality[1] in "aeiou" and quality[-1] in "dgnt"
    return quality + (quality[-1] if doubled else "") + "er"


_SHORTEST = 3
"""Letters of an adjective that doubles its last one."""

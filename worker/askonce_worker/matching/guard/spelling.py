"""Compares spellings where meaning does not help: names, typos, endings that no stemmer knows."""

import re

_NOT_SPELLED = re.compile(r"[\W_]+")


def spelled(text: str) -> str:
    """Only the letters and digits, folded: `foo_bar`, `Foo Bar` and `foobar` are spelled alike."""
    return _NOT_SPELLED.sub("", text).casefold()


def alike(word: str, other: str) -> bool:
    """Whether two words share a long beginning or all but one or two letters: a typo or an ending, not another word."""
    shortest, longest = sorted((len(word), len(other)))
    if shortest < 4:
        return False
    start = _shared(word, other)
    if start >= 5:
        return True
    if start == 0:
        return False
    end = _shared(word[::-1], other[::-1])
    return min(start + end, shortest) >= longest - (2 if longest > 6 else 1)


def _shared(word: str, other: str) -> int:
    shared = 0
    for letter, opposite in zip(word, other, strict=False):
        if letter != opposite:
            break
        shared += 1
    return shared

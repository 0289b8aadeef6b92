"""Opposites that a word's beginning or end makes: refundable and non-refundable, prepaid and postpaid."""

from collections.abc import Collection

_REVERSING = ("un", "de", "dis", "re")
_DENYING = ("non", "in", "im", "ir", "il", "mis", "a")
_LONG = 5
"""Letters after a denying prefix: a shorter rest is a chance, as in 'mend' and 'amend'."""
_SWAPPED = (
    ("over", "under"), ("pre", "post"), ("in", "out"), ("hyper", "hypo"), ("up", "down"), ("inter", "intra"),
)  # fmt: skip
_REST = 3
"""Letters behind both of two prefixes, or before both of two endings."""
_NO_OPPOSITES = frozenset({"inflammabl", "inhabit", "inhabitabl", "invaluabl", "around", "aloud", "alike", "inquir"})
"""Stems that look denied and are not."""


def reverses(words: Collection[str], others: Collection[str]) -> bool:
    """A word undoes one of the others: unpin and pin."""
    starts = [start for start in _REVERSING if start not in others]  # as in 'un-merge', which undoes as 'unmerge' does
    return any(start + other in words for other in others for start in starts)


def opposed(words: Collection[str], others: Collection[str]) -> bool:
    """A word is one of the others denied, or both have opposite beginnings or ends."""
    for word in words:
        for other in others:
            if word[-_REST:] == other[-_REST:]:
                if _deny(word, other) or _deny(other, word) or _begin_otherwise(word, other):
                    return True
            elif word.endswith(_ENDINGS) and other.endswith(_ENDINGS) and _root(word) == _root(other):
                return True
    return False


_ENDINGS = ("ful", "less")


def _root(word: str) -> str:
    return word.removesuffix("ful").removesuffix("less")


def _deny(word: str, other: str) -> bool:
    if len(other) < _LONG or not word.endswith(other) or word in _NO_OPPOSITES:
        return False
    return word.removesuffix(other) in _DENYING


def _begin_otherwise(word: str, other: str) -> bool:
    return any(
        _with(start, other_start, word, other) or _with(other_start, start, word, other)
        for start, other_start in _SWAPPED
    )


def _with(start: str, other_start: str, word: str, other: str) -> bool:
    rest = word.removeprefix(start)
    return len(word) - len(start) >= _REST and rest != word and other == other_start + rest

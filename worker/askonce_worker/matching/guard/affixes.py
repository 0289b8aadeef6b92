"""Opposites formed by a prefix or suffix: refundable and non-refundable, prepaid and postpaid."""

from collections.abc import Collection

from askonce.affixes import common_prefix

_REVERSING = ("un", "de", "dis", "re")
_DENYING = ("non", "in", "im", "ir", "il", "mis", "a", "не", "अ", "अन")
_LONG = 5
"""Minimum letters after a negating prefix: a shorter rest may be a coincidence, as in 'mend' and 'amend'."""
_SWAPPED = (
    ("over", "under"), ("pre", "post"), ("in", "out"), ("hyper", "hypo"), ("up", "down"), ("inter", "intra"),
    ("ein", "aus"), ("an", "ab"), ("auf", "zu"), ("be", "ent"), ("hin", "her"), ("в", "вы"),
    ("за", "раз"), ("при", "у"),
)  # fmt: skip
_REST = 3
"""Minimum letters after both prefixes, or before both suffixes."""
NO_OPPOSITES = frozenset({"inflammabl", "inhabit", "inhabitabl", "invaluabl", "around", "aloud", "alike", "inquir"})
"""Stems that look negated but are not."""


def reverses(words: Collection[str], others: Collection[str]) -> bool:
    """Whether a word means undoing one of the others: unpin and pin."""
    starts = [start for start in _REVERSING if start not in others]  # 'un-merge' is 'unmerge'
    return any(start + other in words for other in others for start in starts)


def opposed(words: Collection[str], others: Collection[str]) -> bool:
    """Whether a word negates one of the others, or the two have opposite prefixes or suffixes."""
    for word in words:
        for other in others:
            if word[-_REST:] == other[-_REST:]:
                if _deny(word, other) or _deny(other, word) or _begin_otherwise(word, other):
                    return True
            elif (word.endswith(_LACKING) or other.endswith(_LACKING)) and _root(word) == _root(other):
                return True
    return False


def one_letter_denies(a: str, b: str) -> bool:
    """For Japanese and Korean: 会員, 非会員."""
    short, long = sorted((a, b), key=len)
    if len(long) != len(short) + 1:
        return False
    start = common_prefix(short, long)
    return long[start] in _DENYING_LETTERS and short[start:] == long[start + 1 :]


_DENYING_LETTERS = frozenset("非不無未비불부무미")
_LACKING = "less"


def _root(word: str) -> str:
    return word.removesuffix("ful").removesuffix(_LACKING)


def _deny(word: str, other: str) -> bool:
    if len(other) < _LONG or not word.endswith(other) or word in NO_OPPOSITES:
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

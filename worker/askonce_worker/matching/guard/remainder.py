"""Compares what remains of two texts without their common beginning and end.

The cosine of two long texts is dominated by what they share: a prompt template filled with two messages looks like one
question. If they share more than `COMMON` characters, or a frame of any length, the rest decides, word by word.
"""

from collections import Counter
from dataclasses import dataclass

from askonce.affixes import common_prefix, common_suffix
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.frames import Frame
from askonce_worker.matching.guard.spelling import spelled
from askonce_worker.matching.guard.tokens import content_words, stems, tokens
from askonce_worker.matching.guard.wordings import without_known
from askonce_worker.matching.guard.words import UNITS

COMMON = 60
_MAX_ADDED = 2
_MAX_ADDED_IN_FRAME = 1


@dataclass(frozen=True, slots=True)
class Remainders:
    """The differing middles of two folded texts, in whole words. framed: whether the shared part is a frame, see
    `frames.py`."""

    one: str
    other: str
    framed: bool


def remainders(text: Features, other: Features) -> Remainders | None:
    """None if the texts share too little for this rule."""
    a, b = text.text, other.text
    start = common_prefix(a, b)
    end = common_suffix(a[start:], b[start:])
    framed = _opens(text.frame, other.frame, start) or (
        len(a) - end <= text.frame.closes and len(b) - end <= other.frame.closes
    )
    if start + end <= COMMON and not framed:
        return None
    while start and _inside_word(a, start - 1):
        start -= 1
    while end and _inside_word(a, len(a) - end):
        end -= 1
    return Remainders(a[start : len(a) - end], b[start : len(b) - end], framed)


def _opens(one: Frame, other: Frame, start: int) -> bool:
    """Whether the shared beginning is a frame. After a complete sentence, neither text may continue with a question."""
    return start >= max(one.opens, other.opens) or start >= max(one.sentence, other.sentence)


def _inside_word(text: str, at: int) -> bool:
    return text[at].isalnum() and text[at].isascii()


def remainders_differ(a: Features, b: Features) -> bool:
    """Whether each has a content word that the other lacks, or one has more than a few such words."""
    found = remainders(a, b)
    if found is None or spelled(found.one) == spelled(found.other):
        return False
    words_a, words_b = (stems(tokens(middle)) for middle in (found.one, found.other))
    content_a, content_b = (
        Counter(UNITS.get(word, word) for word in content_words(words)) for words in (words_a, words_b)
    )
    only_a, only_b = set(content_a - content_b), set(content_b - content_a)
    lacking_a, lacking_b = without_known(only_b, only_a), without_known(only_a, only_b)
    if lacking_a and lacking_b:
        return True
    return len(lacking_a | lacking_b) > (_MAX_ADDED_IN_FRAME if found.framed else _MAX_ADDED)

"""What remains of two texts when their common beginning and end are taken off.

The cosine of two long texts is that of what they share: a prompt template filled with two messages looks like one
question. Where they share more than `COMMON` characters, or something before a colon, the rest decides, word by word.
"""

import re
from collections import Counter

from askonce.affixes import common_prefix, common_suffix
from askonce_worker.matching.guard.spelling import spelled, without_alike
from askonce_worker.matching.guard.tokens import content_words, stems, tokens

COMMON = 60
_TEMPLATE = re.compile(r"[^:]{10,}: |[^:\x00-\x7f]{4,}:")
"""A beginning that is one, however short it is: 'Reply to this customer: …'."""
_MAX_ADDED = 1


def remainders(a: str, b: str) -> tuple[str, str] | None:
    """The differing middles of two folded texts, in whole words; None where they share too little to need the rule."""
    start = common_prefix(a, b)
    end = common_suffix(a[start:], b[start:])
    if start + end <= COMMON and _TEMPLATE.match(a, 0, start) is None:
        return None
    while start and _inside_word(a, start - 1):
        start -= 1
    while end and _inside_word(a, len(a) - end):
        end -= 1
    return a[start : len(a) - end], b[start : len(b) - end]


def _inside_word(text: str, at: int) -> bool:
    return text[at].isalnum() and text[at].isascii()


def remainders_differ(a: str, b: str) -> bool:
    """Each has a word of meaning that the other lacks, or one of them has more than `_MAX_ADDED` such words."""
    middles = remainders(a, b)
    if middles is None or spelled(middles[0]) == spelled(middles[1]):
        return False
    words_a, words_b = (Counter(content_words(stems(tokens(middle)))) for middle in middles)
    only_a, only_b = set(words_a - words_b), set(words_b - words_a)
    lacking_a, lacking_b = without_alike(only_b, only_a), without_alike(only_a, only_b)
    return bool(lacking_a and lacking_b) or len(lacking_a | lacking_b) > _MAX_ADDED

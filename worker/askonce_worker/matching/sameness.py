"""Whether two texts have the same words. Different words with the same vector are a sign of a broken embedding
model."""

import re
import unicodedata
from functools import lru_cache

IDENTICAL = 0.99999
"""Cosine from which two vectors are identical, apart from rounding."""

_WORD = re.compile(r"\w+")


@lru_cache(maxsize=4096)
def words_of(text: str) -> str:
    """The words without case, accents, punctuation and spacing; for a text without words, everything but the spacing.
    Many embedding models ignore case and accents."""
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")
    return " ".join(_WORD.findall(folded) or folded.split())


def is_indistinct(text: str, other: str, similarity: float) -> bool:
    """Whether the embedding model cannot tell these two texts apart although their words differ."""
    return similarity >= IDENTICAL and words_of(text) != words_of(other)

"""Whether two texts have the same words. Texts with other words and the same vector show a broken embedding model."""

import re
import unicodedata
from functools import lru_cache

IDENTICAL = 0.99999
"""A cosine from which on two vectors are one and the same, apart from rounding."""

_WORD = re.compile(r"\w+")


@lru_cache(maxsize=4096)
def words_of(text: str) -> str:
    """The words without case, accents, punctuation and spacing; of a text without words, all but the spacing.

    Many embedding models see neither case nor accents.
    """
    folded = text.casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded)
        folded = "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")
    return " ".join(_WORD.findall(folded) or folded.split())


def is_indistinct(text: str, other: str, similarity: float) -> bool:
    """Whether the embedding model does not tell these two texts apart, though their words differ."""
    return similarity >= IDENTICAL and words_of(text) != words_of(other)

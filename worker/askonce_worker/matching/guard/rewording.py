"""How far two texts differ in their words of meaning."""

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.tokens import FIRST_HAN

LESS = 1.5
LITTLE = 2
MUCH = 3
MOST = 4
"""Words. Beyond one of these a difference of another sort is not what two texts differ in; the rules say which."""
_CHARACTER = 0.6
"""Of a word."""


def rewording(a: Features, b: Features) -> float:
    """How many words of meaning have no counterpart; a Chinese character is about half a word.

    In a paraphrase a number or a name on one side is often background, not what is asked.
    """
    return sum(_CHARACTER if word[0] >= FIRST_HAN else 1 for word in unmatched(a, b) | unmatched(b, a))


def unmatched(a: Features, b: Features) -> set[str]:
    """The words of meaning that the first text has more often than the second."""
    found = b.counts.get  # (a Counter's own [] takes three times as long for what is missing)
    return {word for word, count in a.counts.items() if found(word, 0) < count}

"""How much two texts differ in their content words."""

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.tokens import FIRST_HAN

LESS = 1.5
LITTLE = 2
MUCH = 3
MOST = 4
"""Limits in words. If content words differ more than that, another difference is not decisive; the rules say which
limit applies."""
_CHARACTER = 0.6
"""The weight of a Chinese character, in words."""


def rewording(a: Features, b: Features) -> float:
    """The number of content words without a counterpart; a Chinese character counts about half a word. In a paraphrase,
    a number or name on one side is often background rather than what is asked."""
    return sum(_CHARACTER if word[0] >= FIRST_HAN else 1 for word in unmatched(a, b) | unmatched(b, a))


def unmatched(a: Features, b: Features) -> set[str]:
    """The content words that the first text has more often than the second."""
    found = b.counts.get  # (a Counter's own [] takes three times as long for missing keys)
    return {word for word, count in a.counts.items() if found(word, 0) < count}

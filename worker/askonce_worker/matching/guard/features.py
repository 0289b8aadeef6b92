"""What the guard compares: worked out once a text, so that a comparison is a few set operations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from askonce_worker.matching.guard.names import Quote, capitals, identifiers, quotes
from askonce_worker.matching.guard.negation import Polarity, polarity
from askonce_worker.matching.guard.numbers import Numbers, numbers
from askonce_worker.matching.guard.order import Precedence, Surroundings, precedences, surroundings
from askonce_worker.matching.guard.question_class import asked_for
from askonce_worker.matching.guard.spelling import spelled
from askonce_worker.matching.guard.tokens import clean, content_words, stems, tokens
from askonce_worker.matching.guard.words import FUNCTION, KINDS, OPPOSITES


@dataclass(frozen=True, slots=True)
class Features:
    text: str
    """Folded and cleaned."""
    spelled: str
    words: frozenset[str]
    """All words, stemmed."""
    content: tuple[str, ...]
    """The words that carry meaning, in order, each as the first of its synonyms."""
    counts: Counter[str]
    numbers: Numbers
    polarity: Polarity
    opposites: frozenset[int]
    kinds: frozenset[int]
    quoted: frozenset[Quote]
    identifiers: frozenset[str]
    names: frozenset[str]
    initials: str
    asked_for: frozenset[str]
    around: Surroundings
    precedences: frozenset[Precedence]


@lru_cache(maxsize=8192)
def features(text: str) -> Features:
    cleaned = clean(text)
    folded = cleaned.casefold()
    raw = tokens(cleaned)
    lower = [word.casefold() for word in raw]
    stemmed = stems(lower)
    content = tuple(content_words(stemmed))
    return Features(
        text=folded,
        spelled=spelled(cleaned),
        words=frozenset(stemmed),
        content=content,
        counts=Counter(content),
        numbers=numbers(cleaned, raw),
        polarity=polarity(lower, folded),
        opposites=_places(OPPOSITES, stemmed),
        kinds=_places(KINDS, stemmed),
        quoted=quotes(cleaned),
        identifiers=identifiers(cleaned),
        names=frozenset(stems(map(str.casefold, capitals(raw, cleaned)))) - FUNCTION,
        initials="".join(word[0] for word in lower),
        asked_for=asked_for(folded),
        around=surroundings(stemmed),
        precedences=precedences(stemmed),
    )


def _places(marks: Mapping[str, frozenset[int]], words: Sequence[str]) -> frozenset[int]:
    return frozenset().union(*(marks[word] for word in marks.keys() & words))

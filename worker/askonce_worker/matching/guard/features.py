"""What the guard compares: worked out once a text, so that a comparison is a few set operations."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from askonce_worker.matching.guard.frames import Frame, frame
from askonce_worker.matching.guard.languages import Language, Vocabulary, language, vocabulary
from askonce_worker.matching.guard.layout import lines
from askonce_worker.matching.guard.letter_case import LetterCase, letter_case
from askonce_worker.matching.guard.marks import Mark, is_formal, marks
from askonce_worker.matching.guard.names import Quote, capitals, identifiers, quotes
from askonce_worker.matching.guard.negation import Polarity, polarity
from askonce_worker.matching.guard.numbers import Numbers, numbers
from askonce_worker.matching.guard.order import Order, order
from askonce_worker.matching.guard.persons import Persons, persons
from askonce_worker.matching.guard.question_class import asked_for
from askonce_worker.matching.guard.spelling import spelled
from askonce_worker.matching.guard.swaps import letters
from askonce_worker.matching.guard.tokens import clean, folded_words, tokens, unelided
from askonce_worker.matching.guard.words import ADDITIVE, FUNCTION, KINDS, TENSES, UNITS, stem


class Features(NamedTuple):
    cleaned: str
    text: str
    """The same, folded."""
    letters: str
    as_written: tuple[str, ...]
    """All words."""
    frame: Frame
    lines: tuple[str, ...]
    marks: tuple[Mark, ...]
    is_formal: bool
    letter_case: LetterCase
    language: Language
    vocabulary: Vocabulary
    sequence: tuple[str, ...]
    """All words, stemmed, in order."""
    words: frozenset[str]
    content: tuple[str, ...]
    """The words that carry meaning, in order, each as the first of its synonyms."""
    counts: Mapping[str, int]
    numbers: Numbers
    polarity: Polarity
    opposites: frozenset[int]
    kinds: frozenset[int]
    tenses: frozenset[int]
    quoted: frozenset[Quote]
    identifiers: frozenset[str]
    names: frozenset[str]
    initials: str
    asked_for: frozenset[str]
    order: Order
    persons: Persons | None
    is_additive: bool

    @property
    def spelled(self) -> str:
        return spelled(self.cleaned)


_SHORT = 500
"""Characters. The features of a text take about 80 bytes a character."""


def features(text: str) -> Features:
    """Remembered, within 350 MB for short texts and as many for longer ones."""
    return _of_short(text) if len(text) <= _SHORT else _of_long(text)


def features_of_new(text: str) -> Features:
    """The same, of a question that comes and goes: it takes no place from the texts that it is compared with."""
    return _of_new(text) if len(text) <= _SHORT else _of_long(text)


def worked_out(text: str) -> Features:
    cleaned = clean(text)
    folded = cleaned.casefold()
    raw = tokens(cleaned)
    lower, spoken, known = _in_its_language(folded_words(raw, cleaned), folded)
    stemmed = [known.stem(word) for word in lower]
    content = tuple(known.meaning(stemmed))
    found = marks(text.strip())
    return Features(
        cleaned=cleaned,
        text=folded,
        letters=letters(folded),
        as_written=tuple(raw),
        frame=frame(folded),
        lines=lines(text),
        marks=found,
        is_formal=is_formal(found, text, folded),
        letter_case=letter_case(cleaned, raw),
        language=spoken,
        vocabulary=known,
        sequence=tuple(stemmed),
        words=frozenset(stemmed),
        content=content,
        counts=_counts(content),
        numbers=numbers(cleaned, raw),
        polarity=polarity(lower, folded, known),
        opposites=_places(known.opposites, stemmed) if known.in_words else _parts(known.opposites, folded),
        kinds=_places(KINDS, stemmed),
        tenses=_places(TENSES, lower) if spoken.name == "en" else frozenset(),
        quoted=quotes(cleaned),
        identifiers=identifiers(cleaned),
        names=frozenset(stem(word.casefold()) for word in capitals(raw, cleaned)) - FUNCTION - UNITS.keys(),
        initials="".join(word[0] for word in lower),
        asked_for=asked_for(folded),
        order=order(lower, stemmed, known),
        persons=persons(lower, stemmed),
        is_additive=_is_additive(lower, folded),
    )


def _in_its_language(lower: list[str], folded: str) -> tuple[list[str], Language, Vocabulary]:
    spoken = language(lower, folded)
    return unelided(lower, spoken.name), spoken, vocabulary(spoken.name)


_of_short = lru_cache(maxsize=8192)(worked_out)
_of_new = lru_cache(maxsize=512)(worked_out)
_of_long = lru_cache(maxsize=256)(worked_out)

_ONE_MORE = re.compile(r"\b(?:one more(?! thing)|a different|a second|a new one)\b")
_WISHES = ("one more", "a different", "a second", "a new one")
"""Without one of these it matches nothing."""


def _counts(content: tuple[str, ...]) -> Mapping[str, int]:
    once = dict.fromkeys(content, 1)
    return once if len(once) == len(content) else Counter(content)


def _is_additive(words: Iterable[str], folded: str) -> bool:
    if not ADDITIVE.isdisjoint(words):
        return True
    return any(wish in folded for wish in _WISHES) and _ONE_MORE.search(folded) is not None


def _places(marks: Mapping[str, frozenset[int]], words: Iterable[str]) -> frozenset[int]:
    found = [marks[word] for word in words if word in marks]
    return found[0].union(*found) if found else frozenset()


def _parts(marks: Mapping[str, frozenset[int]], folded: str) -> frozenset[int]:
    """Of a language without words: the longest part counts, not those inside it."""
    found: set[int] = set()
    for part in sorted(marks, key=len, reverse=True):
        if part in folded:
            found |= marks[part]
            folded = folded.replace(part, " ")
    return frozenset(found)

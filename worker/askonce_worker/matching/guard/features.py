"""The features that the guard compares, computed once per text, so that a comparison takes a few set operations."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
from askonce_worker.matching.guard.text_cache import TextCache
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
"""Maximum characters of a remembered text. Features take about 80 bytes per character."""


def features(text: str) -> Features:
    """The text's features, cached within 350 MB for short texts and as much for longer ones."""
    return _short.of(text) if len(text) <= _SHORT else _long.of(text)


def features_of_new(text: str) -> Features:
    """Like `features`, for new questions, which must not displace the texts that they are compared with."""
    return _new.of(text) if len(text) <= _SHORT else _long.of(text)


def learn(pairs: Iterable[tuple[str, str]]) -> None:
    """Compute the features of questions and of texts to compare them with. Many at once take a fifth less time."""
    short = [pair for pair in pairs if max(map(len, pair)) <= _SHORT]
    _new.learn(question for question, _ in short)
    _short.learn(other for _, other in short)


def worked_out(texts: Sequence[str]) -> list[Features]:
    """One feature at a time for all texts, so that its code and word lists stay in the CPU's caches."""
    if not texts:
        return []
    cleaned = [*map(clean, texts)]
    folded = [*map(str.casefold, cleaned)]
    raw = [*map(tokens, cleaned)]
    lower, spoken, known = zip(*map(_in_its_language, map(folded_words, raw, cleaned), folded), strict=True)
    stemmed = [tuple(map(vocabulary.stem, words)) for vocabulary, words in zip(known, lower, strict=True)]
    content = [tuple(vocabulary.meaning(words)) for vocabulary, words in zip(known, stemmed, strict=True)]
    found = [marks(text.strip()) for text in texts]
    columns: dict[str, Iterable[Any]] = {
        "cleaned": cleaned,
        "text": folded,
        "letters": [*map(letters, folded)],
        "as_written": [*map(tuple, raw)],
        "frame": [*map(frame, folded)],
        "lines": [*map(lines, texts)],
        "marks": found,
        "is_formal": [*map(is_formal, found, texts, folded)],
        "letter_case": [*map(letter_case, cleaned, raw)],
        "language": spoken,
        "vocabulary": known,
        "sequence": stemmed,
        "words": [*map(frozenset, stemmed)],
        "content": content,
        "counts": [*map(_counts, content)],
        "numbers": [*map(numbers, cleaned, raw)],
        "quoted": [*map(quotes, cleaned)],
        "identifiers": [*map(identifiers, cleaned)],
        "names": [*map(_names, raw, cleaned)],
        "asked_for": [*map(asked_for, folded)],
    }
    columns |= _of_words(lower, stemmed, folded, spoken, known)
    return [*map(Features._make, zip(*(columns[name] for name in Features._fields), strict=True))]


def _of_words(
    lower: Sequence[list[str]],
    stemmed: Sequence[tuple[str, ...]],
    folded: Sequence[str],
    spoken: Sequence[Language],
    known: Sequence[Vocabulary],
) -> dict[str, Iterable[Any]]:
    return {
        "polarity": [*map(polarity, lower, folded, known)],
        "opposites": [*map(_opposites, stemmed, folded, known)],
        "kinds": [_places(KINDS, words) for words in stemmed],
        "tenses": [*map(_tenses, lower, spoken)],
        "initials": [*map(_initials, lower)],
        "order": [*map(order, lower, stemmed, known)],
        "persons": [*map(persons, lower, stemmed)],
        "is_additive": [*map(_is_additive, lower, folded)],
    }


def _in_its_language(lower: list[str], folded: str) -> tuple[list[str], Language, Vocabulary]:
    spoken = language(lower, folded)
    return unelided(lower, spoken.name), spoken, vocabulary(spoken.name)


_short = TextCache(worked_out, 7680)
_new = TextCache(worked_out, 1024)  # a chunk has at most 1,000 questions
_long = TextCache(worked_out, 256)

_ONE_MORE = re.compile(r"\b(?:one more(?! thing)|a different|a second|a new one)\b")
_WISHES = ("one more", "a different", "a second", "a new one")
"""Without one of these phrases, the pattern cannot match."""


def _opposites(stemmed: Sequence[str], folded: str, known: Vocabulary) -> frozenset[int]:
    return _places(known.opposites, stemmed) if known.in_words else _parts(known.opposites, folded)


def _tenses(words: Sequence[str], spoken: Language) -> frozenset[int]:
    return _places(TENSES, words) if spoken.name == "en" else frozenset()


def _names(words: Sequence[str], cleaned: str) -> frozenset[str]:
    return frozenset(stem(word.casefold()) for word in capitals(words, cleaned)) - FUNCTION - UNITS.keys()


def _initials(words: Sequence[str]) -> str:
    return "".join([word[0] for word in words])


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
    """For a script without spaces: the longest part counts, not those inside it."""
    found: set[int] = set()
    for part in sorted(marks, key=len, reverse=True):
        if part in folded:
            found |= marks[part]
            folded = folded.replace(part, " ")
    return frozenset(found)

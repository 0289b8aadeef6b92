"""Opposites and negations in any known language with spaces between words, for short texts whose language is a
guess."""

from collections.abc import Set as AbstractSet
from functools import cache, lru_cache

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.languages import BLANKED, vocabulary
from askonce_worker.matching.guard.rewording import LITTLE
from askonce_worker.matching.guard.words import NEGATIONS, WIDTH


def one_denies(a: Features, b: Features) -> bool:
    """'Test gratuit', 'Test jamais gratuit': one text has an extra negation and hardly anything else."""
    if len(a.as_written) == len(b.as_written):
        return False
    only_a, only_b = _differing(a, b)
    return bool(only_a) != bool(only_b) and not _negations().isdisjoint(only_a | only_b)


def oppose(a: Features, b: Features) -> bool:
    """'Router sperren', 'Router entsperren': no word shows that they are German."""
    only_a, only_b = _differing(a, b)
    if not only_a or not only_b:
        return False
    return stand_apart(_places(only_a), _places(only_b))


def _differing(a: Features, b: Features) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """The words that only one text has; none if both languages are certain, or if there are more than a few."""
    if a.language.sure and b.language.sure:
        return _NONE
    words_a, words_b = ({word.casefold() for word in text.as_written} for text in (a, b))
    only_a, only_b = words_a - words_b, words_b - words_a
    return (only_a, only_b) if len(only_a) <= LITTLE and len(only_b) <= LITTLE else _NONE


_NONE: tuple[AbstractSet[str], AbstractSet[str]] = (frozenset(), frozenset())


@cache
def _negations() -> AbstractSet[str]:
    """The negations of all these languages without English ones, which have their own rule."""
    return (
        frozenset().union(*(known.negations.difference(known.plain) for known in map(vocabulary, BLANKED))) - NEGATIONS
    )


def _places(words: AbstractSet[str]) -> AbstractSet[int]:
    return frozenset[int]().union(*map(_places_of, words))


@lru_cache(maxsize=8192)
def _places_of(word: str) -> AbstractSet[int]:
    """Its positions in the opposites of all languages, numbered consecutively."""
    lists = enumerate(map(vocabulary, BLANKED))
    return frozenset(at * _LIST + place for at, known in lists for place in known.opposites.get(known.stem(word), ()))


_LIST = 1000 * WIDTH


def stand_apart(a: AbstractSet[int], b: AbstractSet[int]) -> bool:
    """Whether the two have positions on different sides of the same line."""
    if a <= b or b <= a:
        return False
    lines_b = {place // WIDTH for place in b - a}
    return any(place // WIDTH in lines_b for place in a - b)

"""Who does what to whom: 'A to B' is not 'B to A'."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from askonce_worker.matching.guard.languages import Vocabulary
from askonce_worker.matching.guard.swaps import swap
from askonce_worker.matching.guard.words import FOCUS, FUNCTION, LINKS, PLACES, RELATING, SYMMETRIC, SYNONYMS

_REACH = 3
"""Maximum distance between two related words, in content words."""
_LISTED = 2
"""'And' and the item before it in a list: 'cats, dogs and birds'."""
_CLOSE = 2
"""Maximum Chinese content words between two parts; most are one character."""
_MOST = 200
"""Maximum words. In a longer text every change of order counts."""
AND = "&"
_COUNTS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"})
"""Skipped after 'only': 'the only two cats' is about the cats."""
_SUBJECTS = frozenset({"i", "you", "he", "she", "we", "they", "我", "你", "您", "他", "她", "我们", "你们", "他们"})

_STANDING = {**SYNONYMS, **dict.fromkeys(SYMMETRIC, AND)}
"""The word that represents each word's meaning."""
_UNRELATING = FUNCTION - SYMMETRIC - RELATING
_UNLINKING = FUNCTION - SYMMETRIC - LINKS
"""Function words that relate no other words."""

Gap = tuple[str, ...]
Precedence = tuple[str, int, int]
"""A line of opposites or of a kind; the member that comes first, and the one that follows."""
Relations = Mapping[tuple[str, str], Gap]


class Order(NamedTuple):
    """The order of a text's words; see the functions below for each part."""

    meaning: tuple[str, ...]
    relations: Relations
    precedences: frozenset[Precedence]
    focused: frozenset[str]


def order(words: Sequence[str], stemmed: Sequence[str], known: Vocabulary) -> Order:
    return Order(
        in_order(stemmed, known), relations(stemmed, known), precedences(stemmed), focused(words, stemmed, known)
    )


def in_order(stemmed: Sequence[str], known: Vocabulary) -> tuple[str, ...]:
    """Content words, numbers, words that relate two of these, and one symbol for all words like 'and'."""
    return tuple([_STANDING.get(word, word) for word in stemmed if known.links is None or word not in _UNRELATING])


def relations(stemmed: Sequence[str], known: Vocabulary) -> Relations:
    """Pairs of content words, with the words between them that relate them. Words that recur are left out."""
    words = [SYNONYMS.get(word, word) for word in stemmed if known.links is None or word not in _UNLINKING]
    if len(words) > _MOST or not _may_be_related(words, known):
        return {}
    relating = [*accumulate(map(RELATING.__contains__, words), initial=0)]
    meaning = [at for at, word in enumerate(words) if word not in known.function and word not in SYMMETRIC]
    recurring = {word for word in words if words.count(word) > 1} if len({*words}) < len(words) else frozenset()
    found: dict[tuple[str, str], Gap] = {}
    for place, at in enumerate(meaning):
        if words[at] in recurring:
            continue
        by_word = known.links is not None and words[at].isascii()
        for to in meaning[place + 1 : place + 1 + _REACH]:
            if to == at + 1 or words[to] in recurring or (by_word and relating[to] == relating[at + 1]):
                continue
            gap = _between(words[at + 1 : to], known)
            related = by_word or known.links is None or _are_related(words[at], words[to], gap)
            if related and SYMMETRIC.isdisjoint(gap):
                found[words[at], words[to]] = gap
    return found


def _may_be_related(words: Sequence[str], known: Vocabulary) -> bool:
    return known.links is None or not RELATING.isdisjoint(words) or not all(map(str.isascii, words))


def _between(words: Sequence[str], known: Vocabulary) -> Gap:
    """If a language's relating words are unknown, only content words, if any: articles change with the noun."""
    gap = tuple(words) if known.links is not None else tuple(word for word in words if word not in known.function)
    return gap or tuple(words)


def _are_related(word: str, other: str, gap: Gap) -> bool:
    """Whether a word between them relates them; Chinese words are also related by position unless they are single
    characters."""
    return not RELATING.isdisjoint(gap) or (not word.isascii() and min(len(word), len(other)) > 1)


def precedences(stemmed: Sequence[str]) -> frozenset[Precedence]:
    """Which of two opposites, or of two of a kind, comes first. None if 'and', 'or', 和 or the like joins them."""
    found: set[Precedence] = set()
    words = [word for word in stemmed if word in PLACES or word in SYMMETRIC]
    if len(words) < 2:
        return frozenset()
    before: dict[str, set[int]] = {}
    for word in words:
        if word in SYMMETRIC:
            before.clear()
        for line, member in PLACES.get(word, ()):
            earlier = before.setdefault(line, set())
            found.update((line, first, member) for first in earlier - {member})
            earlier.add(member)
    return frozenset(found)


def precede_otherwise(a: frozenset[Precedence], b: frozenset[Precedence]) -> bool:
    return any((line, second, first) in b - a for line, first, second in a - b)


def reversed_relations(a: Relations, b: Relations) -> bool:
    """Whether two words swap places around the same words."""
    return any(b.get((second, first)) == gap for (first, second), gap in a.items())


def exchanged(a: Sequence[str], b: Sequence[str], *, listed: bool) -> bool:
    """Whether the texts have the same words but two parts swapped places, with other words between them.

    A part that merely moved past another does not count: 'in Python, how …', 'how … in Python'. Nor do parts joined by
    'and' or 'or', or, if listed, the items of a list of three.
    """
    if len(a) == len(b) > _MOST and a != b and sorted(a) == sorted(b):
        return True
    found = swap(a, b)
    return found is not None and _relates(*found, listed)


def _relates(part: Sequence[str], between: Sequence[str], other: Sequence[str], listed: bool) -> bool:
    """Whether the words between two parts make their order matter.

    'And' and the like do not, nor does a comparison. In Chinese, parts move freely: unless a word relates them, few
    words may be between, and each part must be longer than a character.
    """
    if AND in between and len(between) <= (_LISTED if listed else 1):
        return False
    if "".join(between).isascii() or not RELATING.isdisjoint(between):
        return True
    return len(between) <= _CLOSE and min(len("".join(part)), len("".join(other))) > 1


def focused(words: Sequence[str], stemmed: Sequence[str], known: Vocabulary) -> frozenset[str]:
    """The content words to which 'only' or the like applies: the next one after each."""
    if FOCUS.isdisjoint(words):
        return frozenset()
    found = set()
    is_open = False
    for word, folded in zip((*words, ""), (*stemmed, ""), strict=True):
        if word in FOCUS:
            is_open = True
        elif (
            is_open
            and folded not in _COUNTS
            and (folded not in known.function or (word in _SUBJECTS and known.links is not None))
        ):
            found.add(SYNONYMS.get(folded, folded))
            is_open = False
    return frozenset(found)

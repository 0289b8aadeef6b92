"""The rule about order: the same words in different places, which changes who does what to whom."""

import re

from askonce_worker.matching.guard.comparisons import compare_otherwise
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.order import exchanged, precede_otherwise, reversed_relations
from askonce_worker.matching.guard.persons import change_places
from askonce_worker.matching.guard.subjects import asks_for_the_other
from askonce_worker.matching.guard.swaps import adjacent, letters_swapped
from askonce_worker.matching.guard.words import COMPARING, FREELY_PLACED, FUNCTION, SYMMETRIC, VERBS, stem


def order_differs(a: Features, b: Features) -> bool:
    if a.sequence == b.sequence:
        return _numbers_swapped(a, b)
    if _are_related_otherwise(a, b):
        return True
    if _are_turned(a, b) or (a.words == b.words and _exchanged_around_verb(a.sequence, b.sequence)):
        return True
    if (
        _are_neighbours(a, b)
        or _make(a, b)
        or _conditions_differ(a, b)
        or (not _reorders(a, b) and _change_places(a, b))
    ):
        return True
    if a.content != b.content:
        return False
    return change_places(a.persons, b.persons) or _numbers_swapped(a, b)


def _are_related_otherwise(a: Features, b: Features) -> bool:
    if reversed_relations(a.order.relations, b.order.relations) or asks_for_the_other(a, b) or compare_otherwise(a, b):
        return True
    return precede_otherwise(a.order.precedences, b.order.precedences)


def _change_places(a: Features, b: Features) -> bool:
    return _exchanged(a, b) or _joined_otherwise(a, b) or _letters_swapped(a, b)


def _exchanged(a: Features, b: Features) -> bool:
    """Next to 'and', words may swap places in a list with commas, in a comparison, and in Chinese."""
    if a.counts != b.counts:
        return False
    one, other = a.order.meaning, b.order.meaning
    if not exchanged(one, other, listed=False):
        return False
    free = not (a.text.isascii() and b.text.isascii()) or any(_LIST.search(text) for text in (a.text, b.text))
    return not free or exchanged(one, other, listed=True)


_LIST = re.compile(r",|\bbetween\b|\bdiffer|\bcompar")


def _letters_swapped(a: Features, b: Features) -> bool:
    """Letters swapped within one clause."""
    if not a.letters or len(a.letters) != len(b.letters) or _CLAUSES.search(a.text) or _CLAUSES.search(b.text):
        return False
    return letters_swapped(a.letters, b.letters)


def _are_neighbours(a: Features, b: Features) -> bool:
    """'House boat', 'boat house'; but not 'quickly boil', 'boil quickly'."""
    pair = adjacent(a.sequence, b.sequence)
    if pair is None or not FREELY_PLACED.isdisjoint(pair):
        return False
    if a.vocabulary.links is None and _are_subject_and_object(pair, a):
        return True
    if not a.text.isascii():
        return False
    return all(word in a.counts for word in pair) and not any(word.endswith("ly") for word in a.as_written)


def _are_subject_and_object(pair: tuple[str, str], text: Features) -> bool:
    """After a verb: 'verursacht Stress Schlaf'. In German both must be capitalised; words with an adverb's ending move
    freely."""
    nouns = not any(word in text.vocabulary.function or len(word) < _NOUN for word in pair)
    if not nouns or any(word.endswith(_ADVERBS) for word in text.as_written):
        return False
    if text.language.name != "de":
        return True
    capitals = {text.vocabulary.stem(word.casefold()) for word in text.as_written[1:] if word[0].isupper()}
    return capitals.issuperset(pair)


_NOUN = 3
"""Minimum letters of a noun's stem."""
_ADVERBS = ("ment", "mente", "но", "ро")


def _are_turned(a: Features, b: Features) -> bool:
    """USD-EUR, EUR-USD; a/b, b/a."""
    for sign, joined in _JOINED.items():
        if sign in a.text and sign in b.text:
            there = {*joined.findall(b.text)}
            if any(one != other and (other, one) in there for one, other in joined.findall(a.text)):
                return True
    return False


_JOINED = {
    "-": re.compile(r"(?<![\w-])(\w{1,20}+)-(\w{1,20}+)(?![\w-])"),
    "/": re.compile(r"(?<![\w/])(\w{1,20}+)/(\w{1,20}+)(?![\w/])"),
}


def _joined_otherwise(a: Features, b: Features) -> bool:
    """'x and y or z', 'x or y and z'."""
    if SYMMETRIC.isdisjoint(a.words) or SYMMETRIC.isdisjoint(b.words):
        return False
    joints_a, joints_b = joins(a), joins(b)
    return joints_a != joints_b and sorted(joints_a) == sorted(joints_b) and a.content == b.content


def joins(text: Features) -> list[str]:
    return [word for word in text.sequence if word in SYMMETRIC]


def _exchanged_around_verb(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Two words swapped around a verb like 'need', otherwise a function word: 'does a fox need a dog'."""
    if len(a) != len(b):
        return False
    places = [at for at, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
    if len(places) != 2:
        return False
    start, end = places
    return (
        (a[start], a[end]) == (b[end], b[start])
        and FUNCTION.isdisjoint((a[start], a[end]))
        and not VERBS.isdisjoint(a[start + 1 : end])
        and SYMMETRIC.isdisjoint(a[start + 1 : end])
    )


def _make(a: Features, b: Features) -> bool:
    """'Does smiling make one happy', 'does being happy make one smile'."""
    if len(a.content) != 2 or a.content[::-1] != b.content or a.content == b.content:
        return False
    return all(not VERBS.isdisjoint(_between(text)) for text in (a, b))


def _conditions_differ(a: Features, b: Features) -> bool:
    """'If it rains, streets are wet', 'if streets are wet, it rains'. The clause itself may come first or last."""
    return a.words == b.words and not _CONDITIONS.isdisjoint(a.words) and _condition(a) != _condition(b)


_CONDITIONS = frozenset(map(stem, ("if", "because", "unless")))


def _condition(text: Features) -> str:
    """The first content word after the conjunction."""
    at = next(at for at, word in enumerate(text.sequence) if word in _CONDITIONS)
    return next((word for word in text.sequence[at:] if word not in FUNCTION), "")


def _between(text: Features) -> tuple[str, ...]:
    """The stems between the first and last content words."""
    first, last = text.content[0], text.content[-1]
    if first not in text.sequence or last not in text.sequence:
        return ()
    return text.sequence[text.sequence.index(first) + 1 : text.sequence.index(last)]


def _reorders(a: Features, b: Features) -> bool:
    """Chinese clauses in a different order, or a comparison of two things."""
    if a.language.name != "zh" or b.language.name != "zh":
        return False
    return bool(COMPARING & a.words & b.words) or bool(_CLAUSES.search(a.text) and _CLAUSES.search(b.text))


_CLAUSES = re.compile(r"[,.?!。]\s?\w")


def _numbers_swapped(a: Features, b: Features) -> bool:
    """The same words with the same numbers in a different order: 7 minus 3, 3 minus 7."""
    one, other = a.numbers.sequence, b.numbers.sequence
    return one != other and sorted(one) == sorted(other) and SYMMETRIC.isdisjoint(a.words)

"""The guard's rules: each looks at two texts' features and says whether they rule out one answer for both."""

import re
from collections.abc import Callable

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.names import SHORT, Quote
from askonce_worker.matching.guard.negation import Polarity
from askonce_worker.matching.guard.order import operators, precede_otherwise, swapped
from askonce_worker.matching.guard.question_class import another_answer
from askonce_worker.matching.guard.remainder import remainders_differ
from askonce_worker.matching.guard.spelling import alike
from askonce_worker.matching.guard.tokens import FIRST_HAN
from askonce_worker.matching.guard.words import KIND_WIDTH, SYMMETRIC, SYNONYMS, UNDOING, stem

Rule = Callable[[Features, Features], bool]
"""Symmetric, and False of a text and itself."""


def numbers_differ(a: Features, b: Features) -> bool:
    """Each text has a number that the other lacks; or one has, in almost the same words."""
    if a.numbers.all == b.numbers.all:
        return False
    firm_a, firm_b = a.numbers.firm - b.numbers.all, b.numbers.firm - a.numbers.all
    if a.numbers.all - b.numbers.all and b.numbers.all - a.numbers.all:
        return True
    return bool(firm_a or firm_b) and rewording(a, b) < _LITTLE


_LITTLE = 2
_MUCH = 3


def rewording(a: Features, b: Features) -> float:
    """How many words of meaning have no counterpart; a Chinese character is half a word.

    In a paraphrase a number or a name on one side is often background, not what is asked.
    """
    return sum(0.5 if word[0] >= FIRST_HAN else 1 for word in unmatched(a, b) | unmatched(b, a))


def units_differ(a: Features, b: Features) -> bool:
    """The same number counts different things: 5 km, 5 miles."""
    if not a.numbers.units or not b.numbers.units:
        return False
    return any(
        number == other
        and unit != name
        and (number, name) not in a.numbers.units
        and (number, unit) not in b.numbers.units
        for number, unit in a.numbers.units
        for other, name in b.numbers.units
    )


def polarity_differs(a: Features, b: Features) -> bool:
    """One denies, the other does not, and they say the same otherwise: 'I forgot' and 'I cannot remember' are one."""
    return {a.polarity, b.polarity} == {Polarity.PLAIN, Polarity.FIRM} and rewording(a, b) <= _LITTLE


def opposites(a: Features, b: Features) -> bool:
    """One text has one side of an opposition alone, the other the other: install, uninstall."""
    only_b = b.opposites - a.opposites
    if any(side ^ 1 in only_b for side in a.opposites - b.opposites):
        return True
    words_a, words_b = a.counts.keys() - b.counts.keys(), b.counts.keys() - a.counts.keys()
    return _undo(words_a, words_b) or _undo(words_b, words_a) or _goes_out(a, b) or _goes_out(b, a)


_REVERSING = ("un", "de", "dis", "re")


def _undo(words: set[str], others: set[str]) -> bool:
    """What the one text says alone undoes what the other does: unpin and pin, 取消静音 and 静音."""
    if not others:
        return len(words) == 1 and not words.isdisjoint(UNDOING)
    if len(words) > _LITTLE or len(others) > _LITTLE:
        return False
    starts = [start for start in _REVERSING if start not in others]  # as in 'un-merge', which undoes as 'unmerge' does
    return any(start + other in words for other in others for start in starts)


def _goes_out(a: Features, b: Features) -> bool:
    """Zoom out, zoom in."""
    if "out" not in a.words or "in" not in b.words:
        return False
    goes, other = ({*_PARTICLE.findall(text)} for text in (a.text, b.text))
    return any(way == "out" and (word, "in") in other for word, way in goes - other)


_PARTICLE = re.compile(r"\b(\w+) (in|out)\b")


def kinds_differ(a: Features, b: Features) -> bool:
    """Each text has a member of one kind that the other lacks: Monday, Friday."""
    if a.kinds <= b.kinds or b.kinds <= a.kinds:
        return False
    kinds_b = {member // KIND_WIDTH for member in b.kinds - a.kinds}
    return any(member // KIND_WIDTH in kinds_b for member in a.kinds - b.kinds)


def quotes_differ(a: Features, b: Features) -> bool:
    """Each quotes what the other does not say; or one does, in almost the same words."""
    if not a.quoted and not b.quoted:
        return False
    missing_a, missing_b = _unsaid(a.quoted, b), _unsaid(b.quoted, a)
    return (missing_a and missing_b) or ((missing_a or missing_b) and rewording(a, b) <= _LITTLE)


def _unsaid(quoted: frozenset[Quote], other: Features) -> bool:
    return any(quote.spelled not in other.spelled and not quote.words <= other.words for quote in quoted)


def identifiers_differ(a: Features, b: Features) -> bool:
    return _missing(a.identifiers, b) or _missing(b.identifiers, a)


def _missing(exact: frozenset[str], other: Features) -> bool:
    return any(not _is_said(name, other) for name in exact - other.identifiers)


def _is_said(name: str, other: Features) -> bool:
    """In another spelling, or by a synonym: JavaScript, js."""
    if SYNONYMS.get(stem(name)) in other.counts:
        return True
    if not name.isalnum():
        return False
    if len(name) > SHORT:
        return name in other.spelled
    return re.search(rf"(?<![a-z\d]){re.escape(name)}(?![a-z\d])", other.text) is not None


def names_differ(a: Features, b: Features) -> bool:
    """Each text names what the other does not; or a name came in, alone or in one word's place."""
    if a.names <= b.words and b.names <= a.words:
        return False
    only_a, only_b = unmatched(a, b), unmatched(b, a)
    names_a = {name for name in only_a & a.names if not _stands_in(name, b, only_b)}
    names_b = {name for name in only_b & b.names if not _stands_in(name, a, only_a)}
    if names_a and names_b:
        return rewording(a, b) <= _MUCH
    return bool(names_a or names_b) and len(only_a) < 2 and len(only_b) < 2


def unmatched(a: Features, b: Features) -> set[str]:
    """The words of meaning that the first text has more often than the second."""
    found = b.counts.get  # (a Counter's own [] takes three times as long for what is missing)
    return {word for word, count in a.counts.items() if found(word, 0) < count}


def _stands_in(name: str, other: Features, words: set[str]) -> bool:
    """The other text has it too: joined, in initials, or spelled a little otherwise."""
    if name in other.spelled or (len(name) <= 5 and name in other.initials):
        return True
    return any(alike(name, word) for word in words)


def asks_else(a: Features, b: Features) -> bool:
    """A reason is asked here, a way there."""
    return another_answer(a.asked_for, b.asked_for)


def order_differs(a: Features, b: Features) -> bool:
    if a.text == b.text:
        return False
    if swapped(a.around, b.around) or precede_otherwise(a.precedences, b.precedences):
        return True
    if a.content == b.content:
        return _numbers_swapped(a, b) or _calculate_otherwise(a, b)
    return _names_swapped(a, b)


def _numbers_swapped(a: Features, b: Features) -> bool:
    """The same words, and the same numbers in another order: 7 minus 3, 3 minus 7."""
    one, other = a.numbers.sequence, b.numbers.sequence
    return one != other and sorted(one) == sorted(other) and SYMMETRIC.isdisjoint(a.words)


def _calculate_otherwise(a: Features, b: Features) -> bool:
    """2 + 3, 2 * 3."""
    one, other = operators(a.text), operators(b.text)
    return one != other and bool(one and other)


def _names_swapped(a: Features, b: Features) -> bool:
    """The same words, and two names in each other's places: Ann paid Bob, Bob paid Ann."""
    if len(a.content) != len(b.content) or not (a.names or b.names):
        return False
    moved = [pair for pair in zip(a.content, b.content, strict=True) if pair[0] != pair[1]]
    if len(moved) != 2 or moved[0] != moved[1][::-1]:
        return False
    return (a.names | b.names).issuperset(moved[0]) and SYMMETRIC.isdisjoint(a.words)


def rest_differs(a: Features, b: Features) -> bool:
    return remainders_differ(a.text, b.text)


RULES: dict[str, Rule] = {
    "numbers": numbers_differ,
    "unit": units_differ,
    "negation": polarity_differs,
    "opposite": opposites,
    "kind": kinds_differ,
    "quoted": quotes_differ,
    "identifier": identifiers_differ,
    "name": names_differ,
    "asked_for": asks_else,
    "order": order_differs,
    "remainder": rest_differs,
}

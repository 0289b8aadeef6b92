"""The rules of what is not wording: language, signs, letter case, order, and texts of which each word counts."""

import re

from askonce.affixes import common_prefix, common_suffix
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.languages import KNOWN, Language
from askonce_worker.matching.guard.letter_case import case_differs
from askonce_worker.matching.guard.marks import firm, same_signs
from askonce_worker.matching.guard.order import exchanged, precede_otherwise, reversed_relations
from askonce_worker.matching.guard.persons import change_places
from askonce_worker.matching.guard.remainder import remainders_differ
from askonce_worker.matching.guard.tokens import content_words, stems, tokens
from askonce_worker.matching.guard.words import COMPARING, FUNCTION, SYMMETRIC, UNITS, VERBS


def is_of_another_language(a: Features, b: Features) -> bool:
    """One is in another language; or the guard knows neither's, and they differ in more than a long word."""
    one, other = a.language, b.language
    if one.name != other.name and one.sure and other.sure:
        return True
    if _are_known(one, other) or a.sequence == b.sequence or _is_english(one) or _is_english(other):
        return False
    if not (one.sure or other.sure) and _are_keywords(a, b):
        return False
    if len(a.sequence) != len(b.sequence):
        return True
    changed = [pair for pair in zip(a.sequence, b.sequence, strict=True) if pair[0] != pair[1]]
    return any(min(map(len, pair)) < _LONG or _has_grown(*sorted(pair, key=len)) for pair in changed)


def _has_grown(word: str, other: str) -> bool:
    """By letters before, in or after it; or it is written in a script that sets no blanks between words."""
    kept = common_prefix(word, other)
    return kept + common_suffix(word[kept:], other[kept:]) >= len(word) or _UNSPACED.search(word) is not None


_UNSPACED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")


_LONG = 6


def _are_known(one: Language, other: Language) -> bool:
    """A guess counts where both are guessed the same, or if it is English."""
    if one.name == other.name:
        return one.name in KNOWN
    return all(spoken.name == "en" or (spoken.sure and spoken.name in KNOWN) for spoken in (one, other))


def _are_keywords(a: Features, b: Features) -> bool:
    """English without a short word that tells so, and the same words: 'password reset', 'reset passwords'."""
    if not a.text.isascii() or not b.text.isascii():
        return False
    one, other = (sorted(UNITS.get(word, word) for word in content_words(stems(tokens(text.text)))) for text in (a, b))
    return one == other


def _is_english(spoken: Language) -> bool:
    return spoken.name == "en" and spoken.sure


def marks_differ(a: Features, b: Features) -> bool:
    """Other signs; or, in the same words, the same ones in other places."""
    if a.marks == b.marks:
        return False
    firm_a, firm_b = firm(a.marks), firm(b.marks)
    if not same_signs(firm_a, firm_b, in_place=a.content == b.content):
        return True
    return a.content == b.content and a.marks != firm_a and b.marks != firm_b and len(a.marks) + len(b.marks) > 2


def letter_case_differs(a: Features, b: Features) -> bool:
    return case_differs(a.letter_case, b.letter_case)


def is_reworded(a: Features, b: Features) -> bool:
    """A program, a table or a record of which a word of meaning is not the same."""
    if not a.is_formal and not b.is_formal:
        return False
    return not says_the_same(a, b) or (a.sequence == b.sequence and a.as_written != b.as_written)


def says_the_same(a: Features, b: Features) -> bool:
    """Word for word, but for synonyms and words of no content."""
    return a.order.meaning == b.order.meaning and (a.sequence == b.sequence or sorted(a.sequence) != sorted(b.sequence))


def focus_differs(a: Features, b: Features) -> bool:
    """'Only admins may', 'admins may only'."""
    if not a.order.focused or not b.order.focused or a.order.focused == b.order.focused:
        return False
    return bool(
        (a.order.focused - b.order.focused) & b.counts.keys() or (b.order.focused - a.order.focused) & a.counts.keys()
    )


def order_differs(a: Features, b: Features) -> bool:
    if a.sequence == b.sequence:
        return _numbers_swapped(a, b)
    if reversed_relations(a.order.relations, b.order.relations) or precede_otherwise(
        a.order.precedences, b.order.precedences
    ):
        return True
    if _are_turned(a, b) or (a.words == b.words and _exchanged_around_verb(a.sequence, b.sequence)):
        return True
    if not _reorders(a, b) and (_exchanged(a, b) or _joined_otherwise(a, b)):
        return True
    if a.content != b.content:
        return False
    return change_places(a.persons, b.persons) or _numbers_swapped(a, b)


def _exchanged(a: Features, b: Features) -> bool:
    """Beside 'and' words may change places in a list with a comma, in a comparison, and in Chinese."""
    one, other = a.order.meaning, b.order.meaning
    if not exchanged(one, other, listed=False):
        return False
    free = not (a.text.isascii() and b.text.isascii()) or any(_LIST.search(text) for text in (a.text, b.text))
    return not free or exchanged(one, other, listed=True)


_LIST = re.compile(r",|\bbetween\b|\bdiffer|\bcompar")


def _are_turned(a: Features, b: Features) -> bool:
    """USD-EUR, EUR-USD."""
    if "-" not in a.text or "-" not in b.text:
        return False
    joined = {*_JOINED.findall(b.text)}
    return any(one != other and (other, one) in joined for one, other in _JOINED.findall(a.text))


_JOINED = re.compile(r"(?<![\w-])(\w{1,20})-(\w{1,20})(?![\w-])")


def _joined_otherwise(a: Features, b: Features) -> bool:
    """x and y or z, x or y and z."""
    joints_a, joints_b = ([word for word in text.sequence if word in SYMMETRIC] for text in (a, b))
    return joints_a != joints_b and sorted(joints_a) == sorted(joints_b) and a.content == b.content


def _exchanged_around_verb(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Two words around one like 'need', which has no content elsewhere: 'does a fox need a dog'."""
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


def _reorders(a: Features, b: Features) -> bool:
    """Chinese clauses in another order, or two things compared."""
    if a.language.name != "zh" or b.language.name != "zh":
        return False
    return bool(COMPARING & a.words & b.words) or bool(_CLAUSES.search(a.text) and _CLAUSES.search(b.text))


_CLAUSES = re.compile(r"[,.?!。]\s?\w")


def _numbers_swapped(a: Features, b: Features) -> bool:
    """The same words, and the same numbers in another order: 7 minus 3, 3 minus 7."""
    one, other = a.numbers.sequence, b.numbers.sequence
    return one != other and sorted(one) == sorted(other) and SYMMETRIC.isdisjoint(a.words)


def rest_differs(a: Features, b: Features) -> bool:
    return remainders_differ(a.text, b.text)

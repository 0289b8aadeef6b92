"""Rules about meaning: numbers and units, negation, opposites, items of a kind, tense, and what is asked."""

import re
from collections.abc import Set as AbstractSet
from itertools import pairwise

from askonce_worker.matching.guard import unsure_language
from askonce_worker.matching.guard.affixes import one_letter_denies, opposed, reverses
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.negation import Polarity
from askonce_worker.matching.guard.question_class import another_answer
from askonce_worker.matching.guard.rewording import LESS, LITTLE, MOST, MUCH, rewording, unmatched
from askonce_worker.matching.guard.unsure_language import stand_apart
from askonce_worker.matching.guard.words import (
    ADDITIVE,
    FALLING_SHORT,
    HALF_NEGATIONS,
    LINKS,
    QUALIFIERS,
    TIMELESS,
    UNDOING,
)


def numbers_differ(a: Features, b: Features) -> bool:
    """Each text has a number that the other lacks; or one does, and the wording is almost the same."""
    if a.numbers.all == b.numbers.all:
        return False
    firm_a, firm_b = a.numbers.firm - b.numbers.all, b.numbers.firm - a.numbers.all
    if a.numbers.all - b.numbers.all and b.numbers.all - a.numbers.all:
        return True
    return bool(firm_a or firm_b) and rewording(a, b) < LESS


def units_differ(a: Features, b: Features) -> bool:
    """The same number has different units: 5 km, 5 miles."""
    if a.numbers.units == b.numbers.units:
        return False
    if _is_share(a) != _is_share(b):
        return a.numbers.all == b.numbers.all and rewording(a, b) < LESS
    return any(
        number == other
        and unit != name
        and (number, name) not in a.numbers.units
        and (number, unit) not in b.numbers.units
        for number, unit in a.numbers.units
        for other, name in b.numbers.units
    )


def _is_share(text: Features) -> bool:
    return any(unit == "%" for _, unit in text.numbers.units) or _PERCENT.search(text.text) is not None


_PERCENT = re.compile(r"\bper ?cent|\bpct\b")


def polarity_differs(a: Features, b: Features) -> bool:
    """Only one is negated, and they say the same otherwise: 'I forgot' and 'I cannot remember' do not count."""
    if not _one_denies(a, b):
        return unsure_language.one_denies(a, b) or _one_falls_short(a, b)
    if stand_apart(a.opposites, b.opposites) or _not_yet(a, b):
        return False
    if not _is_foreign(a, b) and _affixes_oppose(a, b):
        return False  # 'unable', 'not able'
    if a.vocabulary is not b.vocabulary:
        return True  # one of the languages is guessed wrong, so counterparts are not recognised
    return rewording(a, b) <= (MOST if _is_foreign(a, b) else LITTLE)


def _one_falls_short(a: Features, b: Features) -> bool:
    """'It loads', 'it fails to load': no other content word differs."""
    if a.polarity is b.polarity or Polarity.FIRM in (a.polarity, b.polarity):
        return False
    differing = unmatched(a, b) | unmatched(b, a)
    return bool(differing) and differing <= FALLING_SHORT


def _is_foreign(a: Features, b: Features) -> bool:
    """Whether full word lists are missing, so that every ending and article looks like a different word."""
    return a.vocabulary.links is None or b.vocabulary.links is None


def _one_denies(a: Features, b: Features) -> bool:
    """'Unable' and 'cannot' are both negations; of 'refused' and 'not refused' only one is."""
    if (a.polarity is Polarity.FIRM) == (b.polarity is Polarity.FIRM):
        return False
    loose, firm = (a, b) if a.polarity < b.polarity else (b, a)
    if loose.polarity is Polarity.PLAIN:
        return True
    halves = HALF_NEGATIONS & {word.casefold() for word in loose.as_written}
    return bool(halves) and halves <= {word.casefold() for word in firm.as_written}


def _not_yet(a: Features, b: Features) -> bool:
    """'It has not come yet', 'when does it come?'."""
    return ("time" in a.asked_for and "还没" in b.text) or ("time" in b.asked_for and "还没" in a.text)


def opposites(a: Features, b: Features) -> bool:
    """One text has one side of an opposition alone, the other the other: install, uninstall."""
    one_is_firm = (a.polarity is Polarity.FIRM) != (b.polarity is Polarity.FIRM)
    if stand_apart(a.opposites, b.opposites):
        return (
            not one_is_firm and not _one_undoes(a, b) and (_is_foreign(a, b) or rewording(a, b) <= MUCH)
        )  # 'wrong', 'not right'
    if one_is_firm and not _is_foreign(a, b):
        return False  # 'dissatisfied', 'not satisfied'
    words_a, words_b = a.counts.keys() - b.counts.keys(), b.counts.keys() - a.counts.keys()
    if _undo(words_a, words_b) or _undo(words_b, words_a) or _goes_out(a, b) or _goes_out(b, a):
        return True
    return _affixes_oppose(a, b) or unsure_language.oppose(a, b)


def _affixes_oppose(a: Features, b: Features) -> bool:
    """Compares words rather than their synonyms, and in languages without full lists also unstemmed."""
    if not a.vocabulary.in_words and not b.vocabulary.in_words and one_letter_denies(a.letters, b.letters):
        return True
    only_a, only_b = a.words - b.words, b.words - a.words
    if not 0 < len(only_a) <= LITTLE or not 0 < len(only_b) <= LITTLE:
        return False
    return (_are_opposed(only_a, only_b) or _are_opposed_as_written(a, b)) and rewording(a, b) <= LITTLE


def _are_opposed_as_written(a: Features, b: Features) -> bool:
    if not _is_foreign(a, b):
        return False
    written_a, written_b = ({word.casefold() for word in text.as_written} for text in (a, b))
    return _are_opposed(written_a - written_b, written_b - written_a)


def _are_opposed(words: AbstractSet[str], others: AbstractSet[str]) -> bool:
    return opposed(words, others) or reverses(words, others) or reverses(others, words)


def _one_undoes(a: Features, b: Features) -> bool:
    """解除 comes before what it undoes; 解冻 is both in one word."""
    return ("解除" in a.words) != ("解除" in b.words)


def _undo(words: set[str], others: set[str]) -> bool:
    """A word that only one text has undoes what the other text does: unpin and pin, 取消静音 and 静音."""
    if not others:
        return len(words) == 1 and not words.isdisjoint(UNDOING)
    if len(words) > LITTLE or len(others) > LITTLE:
        return False
    return reverses(words, others)


def _goes_out(a: Features, b: Features) -> bool:
    """'Zoom out', 'zoom in'."""
    if "out" not in a.words or "in" not in b.words:
        return False
    goes, other = ({*_PARTICLE.findall(text)} for text in (a.text, b.text))
    return any(way == "out" and (word, "in") in other for word, way in goes - other)


_PARTICLE = re.compile(r"\b(\w+) (in|out)\b")


def kinds_differ(a: Features, b: Features) -> bool:
    """Each text has an item of the same kind that the other lacks: Monday, Friday."""
    return stand_apart(a.kinds, b.kinds) and rewording(a, b) <= MOST


def asks_else(a: Features, b: Features) -> bool:
    """Different types of question: a reason and a method, for example."""
    if another_answer(a.asked_for, b.asked_for):
        return rewording(a, b) < LESS
    return a.asked_for | b.asked_for == _WHO_AND_WHERE and a.content == b.content and a.text.isascii()


_WHO_AND_WHERE = {"person", "place"}
"""'Who has it?' may be 'where can I get it?'."""


def tenses_differ(a: Features, b: Features) -> bool:
    """'What is', 'what was'."""
    if not a.tenses or not b.tenses or not a.tenses.isdisjoint(b.tenses) or not TIMELESS.isdisjoint(a.words | b.words):
        return False
    if a.text.startswith(_LASTS) and b.text.startswith(_LASTS):
        return False
    return a.content == b.content and len(a.sequence) - ("be" in a.words) == len(b.sequence) - ("be" in b.words)


_LASTS = ("how long", "how much time", "how soon")
"""Beginnings of questions in which tense does not matter: what will take a day takes a day."""


def asks_for_more(a: Features, b: Features) -> bool:
    """'A joke', 'another joke'."""
    if a.is_additive == b.is_additive or _PAIRED in (a.text if a.is_additive else b.text):
        return False
    return (unmatched(a, b) | unmatched(b, a)) <= ADDITIVE


_PAIRED = " and another "
"""'A thing and another one': two things."""


def is_qualified(a: Features, b: Features) -> bool:
    """'A card', 'a gift card': the only difference is a word that makes it a different thing."""
    if a.words & QUALIFIERS == b.words & QUALIFIERS or rewording(a, b) > 1:
        return False
    return _qualifies(a, b) or _qualifies(b, a)


def _qualifies(a: Features, b: Features) -> bool:
    """Whether a word that makes it a different thing comes before a shared word."""
    return any(
        word in QUALIFIERS - b.words and after in b.words and (after not in a.vocabulary.function or after in LINKS)
        for word, after in pairwise(a.sequence)
    )

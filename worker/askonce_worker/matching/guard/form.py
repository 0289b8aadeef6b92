"""Rules about differences other than wording: language, symbols, letter case, and texts in which every word counts."""

import re

from askonce.affixes import common_prefix, common_suffix
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.languages import KNOWN, Language
from askonce_worker.matching.guard.letter_case import case_differs, letters_differ
from askonce_worker.matching.guard.marks import firm, marks, same_signs
from askonce_worker.matching.guard.ordering import joins
from askonce_worker.matching.guard.remainder import remainders_differ
from askonce_worker.matching.guard.rewording import LESS, rewording, unmatched
from askonce_worker.matching.guard.swaps import particle_moved
from askonce_worker.matching.guard.tokens import clean, content_words, stems, tokens
from askonce_worker.matching.guard.words import FOCUS, FUNCTION, UNITS


def is_of_another_language(a: Features, b: Features) -> bool:
    """Whether the languages differ, or the guard knows neither and the texts differ in more than long words."""
    one, other = a.language, b.language
    if one.name != other.name and one.sure and other.sure:
        return True
    if _are_known(one, other) or _is_english(one) or _is_english(other):
        return False
    if not (one.sure or other.sure) and (_are_keywords(a, b) or _are_spelled_alike(a, b)):
        return False
    if len(a.sequence) != len(b.sequence):
        return True
    changed = [pair for pair in zip(a.sequence, b.sequence, strict=True) if pair[0] != pair[1]]
    return any(min(map(len, pair)) < _LONG or _has_grown(*sorted(pair, key=len)) for pair in changed)


def _has_grown(word: str, other: str) -> bool:
    """Whether the longer word is the shorter one with letters added, or is in a script without spaces between words."""
    kept = common_prefix(word, other)
    return kept + common_suffix(word[kept:], other[kept:]) >= len(word) or _UNSPACED.search(word + other) is not None


_UNSPACED = re.compile(r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]")


_LONG = 6


def _are_known(one: Language, other: Language) -> bool:
    """Whether both languages are known. A guess counts if it is the same for both, or if it is English."""
    if one.name == other.name:
        return one.name in KNOWN
    return all(spoken.name == "en" or (spoken.sure and spoken.name in KNOWN) for spoken in (one, other))


def _are_keywords(a: Features, b: Features) -> bool:
    """Whether both have the same words, as in English without short words: 'password reset', 'reset passwords'."""
    if not a.text.isascii() or not b.text.isascii():
        return False
    one, other = (sorted(UNITS.get(word, word) for word in content_words(stems(tokens(text.text)))) for text in (a, b))
    return one == other


def _are_spelled_alike(a: Features, b: Features) -> bool:
    """'Co-worker', 'coworker'."""
    return a.spelled == b.spelled and a.text.isascii() and b.text.isascii()


def _is_english(spoken: Language) -> bool:
    return spoken.name == "en" and spoken.sure


def marks_differ(a: Features, b: Features) -> bool:
    """Different symbols; or the same words with the same symbols in different places."""
    if a.marks == b.marks:
        return False
    firm_a, firm_b = firm(a.marks), firm(b.marks)
    if not same_signs(firm_a, firm_b, in_place=a.content == b.content):
        return True
    return a.content == b.content and a.marks != firm_a and b.marks != firm_b and len(a.marks) + len(b.marks) > 2


def letter_case_differs(a: Features, b: Features) -> bool:
    """Different case of a word, or of a single-letter word if hardly anything else differs."""
    if case_differs(a.letter_case, b.letter_case):
        return True
    return letters_differ(a.letter_case, b.letter_case) and rewording(a, b) < LESS


def is_reworded(a: Features, b: Features) -> bool:
    """A program, table or record in which a content word differs."""
    if not a.is_formal and not b.is_formal:
        return False
    return not says_the_same(a, b) or (a.sequence == b.sequence and _is_rewritten(a, b)) or joins(a) != joins(b)


def _is_rewritten(a: Features, b: Features) -> bool:
    """Whether the spelling differs, apart from the case of the first letter of a line of prose."""
    return a.as_written != b.as_written and _with_small_starts(a) != _with_small_starts(b)


def _with_small_starts(text: Features) -> list[str]:
    """The words as written, with a function word at the start of a line of prose in lower case."""
    found: list[str] = []
    for line in text.lines or (text.cleaned,):
        words = tokens(clean(line))
        if text.lines and ":" not in line and len(words) > 2 and _may_start(words[0]) and not marks(line.strip()):
            words[0] = words[0].casefold()
        found += words
    return found


def _may_start(word: str) -> bool:
    return word[1:].islower() and word.casefold() in FUNCTION


def says_the_same(a: Features, b: Features) -> bool:
    """Whether both texts say the same word for word, apart from synonyms and function words."""
    return a.order.meaning == b.order.meaning and (a.sequence == b.sequence or sorted(a.sequence) != sorted(b.sequence))


def focus_differs(a: Features, b: Features) -> bool:
    """'Only admins may', 'admins may only', 'admins may'."""
    if particle_moved(a.letters, b.letters):
        return True
    if a.order.focused == b.order.focused:
        return False
    if not a.order.focused or not b.order.focused:
        return abs(len(a.sequence) - len(b.sequence)) == 1 and unmatched(a, b) | unmatched(b, a) <= FOCUS
    return bool(
        (a.order.focused - b.order.focused) & b.counts.keys() or (b.order.focused - a.order.focused) & a.counts.keys()
    )


def rest_differs(a: Features, b: Features) -> bool:
    return remainders_differ(a, b)

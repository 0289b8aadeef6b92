"""Letter case that distinguishes words: `us` and `US`, `%m` and `%M`. Not that of a sentence, a title or shouting."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from askonce_worker.matching.guard.tokens import is_shouted
from askonce_worker.matching.guard.words import ACRONYMS, CAPITONYMS

_START = re.compile(r"(?:^|[.!?:\"'(]) ?[(\"'*-]{0,3} ?([^\W\d_]+)")
_INNER = re.compile(r"[.!?:\"'(]")
_BOUND = re.compile(r"[^\w\s.,;:!?'\"()]\w{1,3}(?!\w)")
"""A few letters bound to a symbol: `%m`, `-v`, `\\d`."""
_NOTHING: frozenset[str] = frozenset()


class LetterCase(NamedTuple):
    """small: words that a text writes without a capital. forms: by folded form, the spellings of the others and of
    letters bound to a symbol. letters: single-letter words, in order. careless: whether the text has no capital."""

    small: frozenset[str]
    forms: Mapping[str, frozenset[str]]
    letters: tuple[str, ...]
    careless: bool

    def written(self, word: str) -> frozenset[str]:
        """The spellings of a folded word in the text."""
        forms = self.forms.get(word, _NOTHING)
        return forms | {word} if word in self.small else forms


_NONE = LetterCase(_NOTHING, {}, (), careless=False)


def letter_case(cleaned: str, words: Sequence[str]) -> LetterCase:
    if len(words) > 1 and is_shouted(cleaned):
        return _NONE
    large = [word for word in words if word != word.casefold()]
    small = frozenset(words).difference(large)
    written = [(word.casefold(), word) for word in _of_their_own(large, cleaned, len(words))]
    if _DIGIT.search(cleaned) is not None:
        written += [("#" + unit.casefold(), unit) for unit in _COUNTED.findall(cleaned)]
    written += [(bound.casefold(), bound) for bound in _BOUND.findall(cleaned)]
    forms: dict[str, frozenset[str]] = {}
    for word, form in written:
        forms[word] = forms.get(word, _NOTHING) | {form}
    return LetterCase(small, forms, _single_letters(cleaned, words), cleaned.islower())


def _of_their_own(large: list[str], cleaned: str, words: int) -> list[str]:
    """The capitalised words without those at the start of a sentence or in a title. words: their number in the text."""
    if not large:
        return large
    titled = 2 * sum(word[0].isupper() for word in large) > words + 2
    started = _NOTHING if titled else _started(cleaned)
    return [word for word in large if not (_is_capitalised(word) and (titled or word.partition("'")[0] in started))]


def _started(cleaned: str) -> frozenset[str]:
    """The words that begin a sentence or clause."""
    if _INNER.search(cleaned, 0, len(cleaned) - 1) is not None:
        return frozenset(_START.findall(cleaned))
    first = _START.match(cleaned)
    return _NOTHING if first is None else frozenset((first[1],))


def _single_letters(cleaned: str, words: Sequence[str]) -> tuple[str, ...]:
    """In ASCII text each single letter is a word, except some next to an apostrophe."""
    if cleaned.isascii() and "'" not in cleaned and {word for word in words if len(word) == 1} <= _NO_LETTERS:
        return ()
    return tuple(_LETTER.findall(cleaned))


_NO_LETTERS = frozenset("aiuAIU0123456789")


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and not any(letter.isupper() for letter in word[1:])


def case_differs(a: LetterCase, b: LetterCase) -> bool:
    """Whether a word in both texts has different case."""
    careless = a.careless or b.careless
    for word in a.forms.keys() | b.forms.keys():
        forms, others = a.written(word), b.written(word)
        if forms and others and forms.isdisjoint(others) and _tells(word, forms | others, careless=careless):
            return True
    return False


def letters_differ(a: LetterCase, b: LetterCase) -> bool:
    """Whether a single letter is lower case in one text and upper case in the other: p, P."""
    if a.letters == b.letters or a.careless or b.careless:
        return False
    only_a, only_b = {*a.letters} - {*b.letters}, {*b.letters} - {*a.letters}
    if only_a or only_b:
        return any(letter.swapcase() in only_b for letter in only_a)
    return [*map(str.casefold, a.letters)] == [*map(str.casefold, b.letters)]  # p or P, P or p


_LETTER = re.compile(r"[B-HJ-TV-Zb-hj-tv-z](?![\w'.&/+#-])(?<![\w'.&/-].)|[Aa](?=')(?<='.)")
"""Single letters, without those that are words or abbreviate one: a, i, u."""


def _tells(word: str, forms: frozenset[str], *, careless: bool) -> bool:
    """Whether the case changes the word. Most names are written both with and without a capital."""
    if word[0] == "#":
        return all(map(_UNIT.fullmatch, forms))  # 5 Mb, 5 MB
    if not word[0].isalpha():
        return True  # %m, %M
    if len(set(word)) == 1 < len(word):
        return True  # HH, hh
    if any(form.isupper() for form in forms) and len(word) > 1:
        return word in ACRONYMS  # us, US
    return not careless and word in CAPITONYMS and any(form.istitle() for form in forms)


_DIGIT = re.compile(r"\d")
_COUNTED = re.compile(r"\d(?<![\w.,]\d)[\d.,]* ?([A-Za-z]{1,3})(?![A-Za-z])")
_UNIT = re.compile(r"[kKmMgGtTpPnN]?(?:[bBwWvVaAlLgGsS]|[wW][hH]|[hH][zZ]|[pP][aAhH])")

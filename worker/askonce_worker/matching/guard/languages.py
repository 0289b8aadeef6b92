"""Detects a text's language, and what the guard knows about it: everything for English and Chinese, negations and
opposites for ten others, nothing for the rest.

The lists of short words are those of `stopwordsiso`, the stemmers those of Snowball.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple

import snowballstemmer
import stopwordsiso

from askonce_worker.matching.guard.words import (
    ENGLISH,
    FUNCTION,
    LINKS,
    NEGATIONS,
    OPPOSITES,
    REWORDINGS,
    SYNONYMS,
    marks,
    stem,
)

_TABLES = tomllib.loads(files(__package__).joinpath("languages.toml").read_text("utf-8"))
_SCRIPTS = {
    "ja": re.compile(r"[\u3041-\u30ff]"),
    "ko": re.compile(r"[\u1100-\u11ff\uac00-\ud7a3]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
}
"""A text with one such letter is in that language, whatever foreign names it contains: 'pandas 怎么安装'."""
_STEMMERS = {
    "de": "german", "fr": "french", "es": "spanish", "pt": "portuguese", "it": "italian", "ru": "russian",
    "ar": "arabic", "hi": "hindi",
}  # fmt: skip
BLANKED = tuple(_STEMMERS)
"""Languages written with spaces between words."""
KNOWN = frozenset({"en", "zh", "ja", "ko", *_STEMMERS})
SURE = 1.0
"""Short words from which a language is certain. A word that two languages share counts half for each."""


class Language(NamedTuple):
    """name: an ISO 639-1 code, or '' if no word shows it. sure: whether it is more than a guess."""

    name: str
    sure: bool


_NOISY = frozenset({"br", "eo", "ga", "ha", "ku", "la", "ms", "so", "st", "yo", "zu"})
"""Languages whose lists contain English words, or hardly any words."""
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
"""Alone, these are names, except in French ('cause-t-il')."""
_SHORTEST = 3
"""Minimum letters of an English word in this case: shorter ones are country codes or words of other languages."""


def _shares() -> dict[str, dict[str, float]]:
    """Each short word's languages, and its weight for each."""
    of_word: dict[str, set[str]] = {word: {"en"} for word in FUNCTION if word.isascii()}
    for language in stopwordsiso.langs() - _SCRIPTS.keys() - _NOISY:
        for word in stopwordsiso.stopwords(language):
            if (language == "en" and len(word) < _SHORTEST) or (language != "fr" and word in _CONSONANTS):
                continue
            of_word.setdefault(word.casefold(), set()).add(language)
    return {  # some lists contain digits, which show no language
        word: dict.fromkeys(names, 1 / len(names)) for word, names in of_word.items() if not word[0].isdecimal()
    }


_SHARES = _shares()
_IN_ENGLISH = {word: shares.get("en", 0.0) for word, shares in _SHARES.items()}


def language(words: Sequence[str], folded: str) -> Language:
    """The language of a folded text and its words. A keyword in the English lists indicates English: 'install
    numpy'."""
    english = [_IN_ENGLISH[word] for word in words if word in _IN_ENGLISH]
    if english and folded.isascii() and min(english) > 0:
        return Language("en", sure=len(english) > 1 and sum(english) >= SURE)
    words = [part for word in words if not word[0].isdecimal() for part in _parts(word)]
    telling = [shares for word in words if (shares := _SHARES.get(word))]
    votes = Counter(chain.from_iterable(telling))
    if not folded.isascii() and votes["en"] < _QUOTING:
        for name, letters in _SCRIPTS.items():
            if letters.search(folded):
                return Language(name, sure=True)
    if not votes:
        likely = "" if words and ENGLISH.isdisjoint(map(stem, words)) else "en"
        return Language(likely or _of_opposites(words) or _of_script(folded), sure=False)
    most = max(votes.values())
    if most == 1 and folded.isascii() and _is_english(words, votes):
        return Language("en", sure=False)
    best = "en" if votes["en"] == most else _likeliest((name for name in votes if votes[name] == most), telling, words)
    return Language(best, sure=most > 1 and _share(best, telling) >= SURE)


def _is_english(words: Sequence[str], voting: Iterable[str]) -> bool:
    """Whether the text is English: 'fare' in 'one-way fare' is also Italian, but 'mit' in 'Hotel mit Parking' has a
    German opposite."""
    stemmed = {word: stem(word) for word in words}
    short = {stemmed.pop(word) for word in _SHARES.keys() & stemmed.keys()}
    if not short <= ENGLISH or ENGLISH.isdisjoint(stemmed.values()):
        return False
    return not any(_tells_apart(vocabulary(name), words) for name in voting)


def _tells_apart(known: "Vocabulary", words: Iterable[str]) -> bool:
    """Whether one of the words is a negation in a language, or has an opposite there."""
    return any(word in known.negations or known.stem(word) in known.opposites for word in words)


def _likeliest(names: Iterable[str], telling: Sequence[Mapping[str, float]], words: Sequence[str]) -> str:
    return max(names, key=lambda name: (name in KNOWN, _opposed(name, words), _share(name, telling), name))


def _share(name: str, telling: Sequence[Mapping[str, float]]) -> float:
    return sum(shares[name] for shares in telling if name in shares)


def _parts(word: str) -> list[str]:
    """Italian `dov'è` split into its two words, which the lists contain."""
    return [word] if "'" not in word or word in _SHARES or word.isascii() else word.split("'")


_OPPOSED = {name: frozenset(_TABLES[name]["opposites"].replace("|", " ").split()) for name in _STEMMERS}


def _opposed(name: str, words: Sequence[str]) -> int:
    """The number of words with an opposite in a language's list."""
    return sum(word in _OPPOSED.get(name, ()) for word in words)


def _of_opposites(words: Sequence[str]) -> str:
    best = max(_OPPOSED, key=lambda name: (_opposed(name, words), name))
    return best if _opposed(best, words) else ""


def _of_script(folded: str) -> str:
    """The language of most texts in a script."""
    return next(
        (name for name, (letters, others) in _LIKELY.items() if letters.search(folded) and not others.search(folded)),
        "",
    )


_LIKELY = {
    "hi": (re.compile(r"[\u0900-\u097f]"), re.compile("ळ")),
    "ru": (re.compile(r"[\u0430-\u044f]"), re.compile("[іїєґўј]")),
    "ar": (re.compile(r"[\u0620-\u064a]"), re.compile("[پچژگکیٹڈں]")),
}
"""The script's letters, and those that identify other languages."""
_QUOTING = 3
"""English words that make a text English in spite of a foreign one: 'How do I say ありがとう?'"""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the guard knows about a language.

    stem: folds inflected forms. function: stems of function words. links: those of them that relate two words; all if
    None. negations: negating words. opposites: positions of words in lists of opposites. in_words: whether these are
    whole words. plain: phrases that contain a negation but negate nothing.
    """

    stem: Callable[[str], str]
    function: frozenset[str]
    links: frozenset[str] | None
    negations: frozenset[str]
    opposites: Mapping[str, frozenset[int]]
    rewordings: Mapping[str, frozenset[int]]
    in_words: bool = True
    plain: tuple[str, ...] = ()

    def meaning(self, stemmed: Iterable[str]) -> list[str]:
        """The content stems, each replaced by the first of its synonyms; numbers have their own rule."""
        return [SYNONYMS.get(word, word) for word in stemmed if word not in self.function and not word[0].isdecimal()]


ENGLISH_AND_CHINESE = Vocabulary(stem, FUNCTION, LINKS, NEGATIONS, OPPOSITES, REWORDINGS)
UNKNOWN = Vocabulary(str, frozenset(), None, frozenset(), {}, {})


def vocabulary(name: str) -> Vocabulary:
    if name in ("en", "zh"):
        return ENGLISH_AND_CHINESE
    return _of_language(name) if name in KNOWN else UNKNOWN


def load() -> None:
    """Read the lists of all languages, which takes 0.1 to 0.3 s, so that no question waits for them."""
    for name in KNOWN:
        vocabulary(name)


@cache
def _of_language(name: str) -> Vocabulary:
    table = _TABLES[name]
    fold = _stemmer(name)
    negations = frozenset(word.replace("_", " ") for word in table["negations"].split())
    denying = frozenset(map(fold, negations))
    in_words = name in _STEMMERS
    return Vocabulary(
        stem=fold,
        function=frozenset(map(fold, stopwordsiso.stopwords(name) - negations)),
        links=None,
        negations=negations,
        opposites={
            word: places
            for word, places in marks(table["opposites"].split("\n"), fold).items()
            if not (word in denying if in_words else any(part in word for part in negations))
        },
        in_words=in_words,
        plain=tuple(table.get("plain", "").split()),
        rewordings=_rewordings(table.get("rewordings", ""), fold),
    )


def _rewordings(table: str, fold: Callable[[str], str]) -> Mapping[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for number, line in enumerate(filter(None, table.split("\n"))):
        for word in map(fold, line.split()):
            found[word] = found.get(word, frozenset()) | {number}
    return found


def _stemmer(name: str) -> Callable[[str], str]:
    if name not in _STEMMERS:
        return str
    return lru_cache(maxsize=8192)(snowballstemmer.stemmer(_STEMMERS[name]).stemWord)

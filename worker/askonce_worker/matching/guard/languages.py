"""Which language a text is in, and what the guard knows of it: all of English and Chinese, of ten others negations and
opposites, of the rest nothing. The lists of short words are those of `stopwordsiso`, the stemmers those of Snowball.
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

from askonce_worker.matching.guard.words import ENGLISH, FUNCTION, LINKS, NEGATIONS, OPPOSITES, SYNONYMS, marks, stem

_TABLES = tomllib.loads(files(__package__).joinpath("languages.toml").read_text("utf-8"))
_SCRIPTS = {
    "ja": re.compile(r"[\u3041-\u30ff]"),
    "ko": re.compile(r"[\u1100-\u11ff\uac00-\ud7a3]"),
    "zh": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
}
"""A text with one such letter is in that language, whatever names of others it has: 'pandas 怎么安装'."""
_STEMMERS = {
    "de": "german", "fr": "french", "es": "spanish", "pt": "portuguese", "it": "italian", "ru": "russian",
    "ar": "arabic", "hi": "hindi",
}  # fmt: skip
BLANKED = tuple(_STEMMERS)
"""Those that are written with blanks between words."""
KNOWN = frozenset({"en", "zh", "ja", "ko", *_STEMMERS})
SURE = 1.0
"""From so many short words of its own on a language is sure; a word of two languages is half of one's own."""


class Language(NamedTuple):
    """name: a code of ISO 639-1, or '' where no word tells. sure: it is no guess."""

    name: str
    sure: bool


_NOISY = frozenset({"br", "eo", "ga", "ha", "ku", "la", "ms", "so", "st", "yo", "zu"})
"""Their lists have English words, or hardly any."""
_CONSONANTS = frozenset("bcdfghjklmnpqrstvwxz")
"""By themselves they are names, but in French ('cause-t-il')."""
_SHORTEST = 3
"""Letters of an English word there: shorter ones are codes of countries, and words of others."""


def _shares() -> dict[str, dict[str, float]]:
    """Each short word's languages, and how far it speaks for each."""
    of_word: dict[str, set[str]] = {word: {"en"} for word in FUNCTION if word.isascii()}
    for language in stopwordsiso.langs() - _SCRIPTS.keys() - _NOISY:
        for word in stopwordsiso.stopwords(language):
            if (language == "en" and len(word) < _SHORTEST) or (language != "fr" and word in _CONSONANTS):
                continue
            of_word.setdefault(word.casefold(), set()).add(language)
    return {  # some lists have digits, which tell of no language
        word: dict.fromkeys(names, 1 / len(names)) for word, names in of_word.items() if not word[0].isdecimal()
    }


_SHARES = _shares()
_IN_ENGLISH = {word: shares.get("en", 0.0) for word, shares in _SHARES.items()}


def language(words: Sequence[str], folded: str) -> Language:
    """Of a folded text and its words. A keyword that the English lists have tells of English: 'install numpy'."""
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
    """Of 'one-way fare' Italian has a word, too; 'Hotel mit Parking' has one that German denies."""
    stemmed = {word: stem(word) for word in words}
    short = {stemmed.pop(word) for word in _SHARES.keys() & stemmed.keys()}
    if not short <= ENGLISH or ENGLISH.isdisjoint(stemmed.values()):
        return False
    return not any(_tells_apart(vocabulary(name), words) for name in voting)


def _tells_apart(known: "Vocabulary", words: Iterable[str]) -> bool:
    """Whether a language denies by one of the words, or has its opposite."""
    return any(word in known.negations or known.stem(word) in known.opposites for word in words)


def _likeliest(names: Iterable[str], telling: Sequence[Mapping[str, float]], words: Sequence[str]) -> str:
    return max(names, key=lambda name: (name in KNOWN, _opposed(name, words), _share(name, telling), name))


def _share(name: str, telling: Sequence[Mapping[str, float]]) -> float:
    return sum(shares[name] for shares in telling if name in shares)


def _parts(word: str) -> list[str]:
    """Italian `dov'è` is two words, which the lists have."""
    return [word] if "'" not in word or word in _SHARES or word.isascii() else word.split("'")


_OPPOSED = {name: frozenset(_TABLES[name]["opposites"].replace("|", " ").split()) for name in _STEMMERS}


def _opposed(name: str, words: Sequence[str]) -> int:
    """How many of the words have an opposite in a language's list."""
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
"""The script's letters, and those by which other languages are known."""
_QUOTING = 3
"""So many English words around a foreign one: 'How do I say ありがとう?'"""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the guard knows of a language.

    stem: folds inflected forms. function: stems of no content. links: those of them that relate two words, all if None.
    negations: the words that deny. opposites: the places of words that stand against each other.
    in_words: whether these are whole words. plain: what contains a negation and denies nothing.
    """

    stem: Callable[[str], str]
    function: frozenset[str]
    links: frozenset[str] | None
    negations: frozenset[str]
    opposites: Mapping[str, frozenset[int]]
    in_words: bool = True
    plain: tuple[str, ...] = ()

    def meaning(self, stemmed: Iterable[str]) -> list[str]:
        """The stems that carry meaning, each as the first of its synonyms; numbers are left to their own rule."""
        return [SYNONYMS.get(word, word) for word in stemmed if word not in self.function and not word[0].isdecimal()]


ENGLISH_AND_CHINESE = Vocabulary(stem, FUNCTION, LINKS, NEGATIONS, OPPOSITES)
UNKNOWN = Vocabulary(str, frozenset(), None, frozenset(), {})


def vocabulary(name: str) -> Vocabulary:
    if name in ("en", "zh"):
        return ENGLISH_AND_CHINESE
    return _of_language(name) if name in KNOWN else UNKNOWN


def load() -> None:
    """Reads the lists of all languages, a tenth of a second or three, so that no question waits for them."""
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
    )


def _stemmer(name: str) -> Callable[[str], str]:
    if name not in _STEMMERS:
        return str
    return lru_cache(maxsize=8192)(snowballstemmer.stemmer(_STEMMERS[name]).stemWord)

"""A text as words: Latin words and numbers as they stand, Chinese by the longest match against the word lists."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from askonce_worker.matching.guard.words import CHINESE, FUNCTION, LONGEST, SYNONYMS, stem

FIRST_HAN = "\u3400"
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_TOKEN = re.compile(rf"[{HAN}]+|[^\W\d_{HAN}]+(?:'[^\W\d_{HAN}]+)?(?:\+\+|#)?|\d+(?:[.,:]\d+)*")
_HAN_RUN = re.compile(rf"[{HAN}]")
_SPLIT = re.compile(r"\b(with) (out)\b|\b(can) (not)\b", re.IGNORECASE)
_UNITED_STATES = re.compile(r"\b(?:US|[Uu]nited [Ss]tates(?: of [Aa]merica)?)\b")
_ABBREVIATION = re.compile(r"\b[A-Za-z](?:\.[A-Za-z])+\b\.?")
_RARE = re.compile(r" (?:[Oo][Uu][Tt]|[Nn][Oo][Tt])\b|[A-Za-z]\.[A-Za-z]|US|nited [Ss]")
"""Without it none of the three above can match."""
_QUOTES = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u300c": '"', "\u300d": '"', "`": '"'}
)


def clean(text: str) -> str:
    """One spelling for what looks the same: compatibility forms, quotes, blanks, dotted abbreviations."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = " ".join(text.translate(_QUOTES).split())
    if _RARE.search(text) is None:
        return text
    text = _SPLIT.sub(r"\1\2\3\4", text)
    text = _ABBREVIATION.sub(lambda found: found[0].replace(".", ""), text)
    return _UNITED_STATES.sub("USA", text)


def tokens(cleaned: str) -> list[str]:
    """The words of a cleaned text, in order, in the case they are written in."""
    if cleaned.isascii():
        return _TOKEN.findall(cleaned)
    found: list[str] = []
    for token in _TOKEN.findall(cleaned):
        if _HAN_RUN.match(token):
            found.extend(_segments(token))
        else:
            found.append(token)
    return found


def _segments(run: str) -> Iterator[str]:
    at = 0
    while at < len(run):
        for size in range(min(LONGEST, len(run) - at), 1, -1):
            if run[at : at + size] in CHINESE:
                break
        else:
            size = 1
        yield run[at : at + size]
        at += size


def stems(folded: Iterable[str]) -> list[str]:
    return [stem(word) for word in folded]


def content_words(stemmed: Iterable[str]) -> list[str]:
    """Of stems, those that carry meaning, each as the first of its synonyms; numbers are left to their own rule."""
    return [SYNONYMS.get(word, word) for word in stemmed if word not in FUNCTION and not word[0].isdecimal()]

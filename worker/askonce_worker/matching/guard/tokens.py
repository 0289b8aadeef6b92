"""Splits a text into words: Latin words and numbers as written, Chinese by the longest match in the word lists."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from askonce_worker.matching.guard.words import CHINESE, FUNCTION, LONGEST, SYNONYMS, stem

FIRST_HAN = "\u3400"
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_KATAKANA = "\u30a0-\u30ff"
_LETTER = rf"(?:[^\W\d_{HAN}{_KATAKANA}]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0970-\u109f])"
"""A letter, including combining marks."""
_TOKEN = re.compile(rf"[{HAN}]+|[{_KATAKANA}]+|{_LETTER}+(?:'{_LETTER}+)?(?:\+\+|#)?|\d+(?:[.,:]\d+)*")
_ASCII_TOKEN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?(?:\+\+|#)?|[0-9]+(?:[.,:][0-9]+)*")
"""The same for ASCII text, in half the time."""
_HAN_RUN = re.compile(rf"[{HAN}]")
_SPLIT = re.compile(
    r"\b(with) (out)\b|\b(can) (not)\b"
    r"|\b(full|part)[- ](time)\b|\b(check)[- ](in|out)\b|\b(pick|drop|carry|on|off)-(up|off|on|site)\b"
    r"|\b(km)/(h)\b|\b(up) (to)\b(?= \d)"
    r"|\b(one)-(way)\b|\b(round)[- ](trip)\b"
    r"|\b(\w{3,20})-(free)\b|\b(tax|duty|sugar|gluten|fat|alcohol|lactose|dairy|caffeine|smoke) (free)\b",
    re.IGNORECASE,
)
_UNITED_STATES = re.compile(r"\b(?:US|[Uu]nited [Ss]tates(?: of [Aa]merica)?)\b")
_ABBREVIATION = re.compile(r"\b[A-Za-z](?:\.[A-Za-z])+\b\.?")
_RARE = (
    "h out", "n not", "l time", "l-time", "t time", "t-time", "k in", "k-in", "k out", "k-out", "e-way", "d trip",
    "d-trip", "km/h", "up to ", " free", "-free", "united s", "-up", "-off", "-on", "-site",
)  # fmt: skip
"""Without one of these, a dot or `US`, none of the three patterns above can match."""
_QUOTES = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u300c": '"',
        "\u300d": '"',
        "`": '"',
        "™": "",
        "®": "",
    }
)


def clean(text: str) -> str:
    """Unify spellings that look the same: compatibility forms, quotes, spaces, dotted abbreviations."""
    if text.isascii():
        text = text.replace("`", '"')
    else:
        text = unicodedata.normalize("NFKC", text.translate(_QUOTES)).translate(_QUOTES)
    text = " ".join(text.split())
    if not has_joints(text):
        return text
    text = _SPLIT.sub(lambda found: "".join(filter(None, found.groups())), text)
    text = _ABBREVIATION.sub(lambda found: found[0].replace(".", ""), text)
    return _UNITED_STATES.sub("USA", text)


def has_joints(text: str) -> bool:
    """Whether the text may contain words that `clean` joins or shortens."""
    lowered = text.lower()
    return "US" in text or "." in text[:-1] or any(part in lowered for part in _RARE)


def tokens(cleaned: str) -> list[str]:
    """The words of a cleaned text, in order, with their case."""
    if cleaned.isascii():
        return _ASCII_TOKEN.findall(cleaned)
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


def is_shouted(cleaned: str) -> bool:
    return cleaned.isupper() and all(letter.isupper() for letter in cleaned if letter.isalpha())


def folded_words(words: Sequence[str], cleaned: str) -> list[str]:
    """The words in lower case, except a single capital inside a sentence, which is a name: 'answer A', 'answer a
    question'."""
    if is_shouted(cleaned):
        return [word.casefold() for word in words]
    return [
        word
        if at and len(word) == 1 and "A" <= word <= "Z" and word.casefold() in FUNCTION and word != "I"
        else word.casefold()
        for at, word in enumerate(words)
    ]


_ELIDING = frozenset({"fr", "it", "ca"})


def unelided(words: list[str], language: str) -> list[str]:
    """French `n'est` split into two words."""
    if language not in _ELIDING:
        return words
    return [part for word in words for part in re.findall(r"[^']+'?", word)]


def stems(folded: Iterable[str]) -> list[str]:
    return [stem(word) for word in folded]


def content_words(stemmed: Iterable[str]) -> list[str]:
    """The content stems, each replaced by the first of its synonyms; numbers have their own rule."""
    return [SYNONYMS.get(word, word) for word in stemmed if word not in FUNCTION and not word[0].isdecimal()]

"""Names that must match exactly: quotations, code, files, URLs, tickets, and capitalised words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from askonce_worker.matching.guard.spelling import spelled
from askonce_worker.matching.guard.tokens import content_words, stems, tokens

_QUOTED = re.compile(r'"([^"]{1,300})"|(?<!\w)\'([^\']{1,300})\'(?!\w)|《([^》]{1,300})》')
_CHUNK = re.compile(r"[!-~]+")
_EDGES = ".,;:!?()[]{}<>\"'"
_IDENTIFIER = re.compile(
    r"--?[A-Za-z][\w-]*"  # --force
    r"|[A-Za-z]*\d*_\w+|[A-Za-z]\w*_\w*"  # foo_bar
    r"|[a-z]+[A-Z]\w*|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+"  # camelCase, CamelCase
    r"|[A-Za-z]\w+(?:\.[A-Za-z]\w+)+"  # data.csv, np.array
    r"|[A-Z]+-?\d+\w*|#\d+|\d{1,4}[A-JLN-Z]"  # ABC-123, H1B, 4B
)


@dataclass(frozen=True, slots=True)
class Quote:
    """words: the content words, stemmed."""

    spelled: str
    words: frozenset[str]


def quotes(cleaned: str) -> frozenset[Quote]:
    if '"' not in cleaned and "'" not in cleaned and "《" not in cleaned:
        return frozenset()
    found = (next(filter(None, groups)) for groups in _QUOTED.findall(cleaned))
    return frozenset(_quote(text) for text in found if spelled(text))


def _quote(text: str) -> Quote:
    return Quote(spelled(text), frozenset(content_words(stems(tokens(text.casefold())))))


def identifiers(cleaned: str) -> frozenset[str]:
    """Identifiers as `spelled` folds them, but flags (`-v`) and escapes (`\\d`) verbatim."""
    if _UNUSUAL.search(cleaned) is None and len(cleaned) <= 300:
        return frozenset()
    chunks = (chunk.strip(_EDGES) for chunk in _CHUNK.findall(cleaned) if not _is_plain(chunk))
    found = {_name(chunk) for chunk in chunks if _is_identifier(chunk)}
    if "()" in cleaned:
        found.update(map(spelled, _CALL.findall(cleaned)))
    return frozenset(found - {""})


def _name(chunk: str) -> str:
    name = spelled(chunk)
    if _PLURAL.fullmatch(chunk):
        name = name[:-1]
    return chunk if chunk[0] in "-\\" and len(name) <= SHORT else name


_SENTENCES = re.compile(r"[a-z]{2,}\.[A-Z][a-z]*")
"""The end of one and the beginning of the next without a blank: bad.This."""
_PLURAL = re.compile(r"[a-z]+[A-Z][a-z]+[^s]s")
"""The plural of a camel-case name: iPhones."""
SHORT = 3
"""Maximum letters of a short name, which may occur by chance inside any word."""
_CALL = re.compile(r"([A-Za-z_]\w{0,100})\(\)")
_UNUSUAL = re.compile(r"[\d_@/\\]|-[A-Za-z]|[a-z][A-Z]|\w\.\w|\(\)")
"""Without a match, no chunk of ordinary length is an identifier."""


def _is_plain(chunk: str) -> bool:
    """Whether it is a lower-case word or a number, which is never an identifier."""
    return (chunk.isalpha() and chunk.islower()) or (chunk.isdecimal() and len(chunk) <= 300)


def _is_identifier(chunk: str) -> bool:
    if (chunk.isalpha() and chunk[1:].islower()) or _SENTENCES.fullmatch(chunk):
        return False
    if len(chunk) > 300 or "://" in chunk or "\\" in chunk:
        return True
    if "/" in chunk and "." in chunk:
        return True
    if "@" in chunk[1:-1] or chunk.startswith(("/", "./", "~/")) or chunk.count("/") > 1:
        return True
    return _IDENTIFIER.fullmatch(chunk) is not None


def capitals(words: Sequence[str], cleaned: str) -> frozenset[str]:
    """Capitalised words that do not begin a sentence; none if most words of the text are capitalised."""
    if cleaned[1:].islower():
        return frozenset()
    latin = [word for word in words if word.isascii() and word[0].isalpha() and word not in _SCALES]
    upper = [word for word in latin if word[0].isupper()]
    if 2 * len(upper) > len(latin) + 2 or _are_only_first(upper, cleaned):
        return frozenset()
    first = {found.casefold() for found in _SENTENCE_START.findall(cleaned)}
    return frozenset(word for word in upper if word.partition("'")[0].casefold() not in first)


def _are_only_first(upper: Sequence[str], cleaned: str) -> bool:
    """Whether only the first word is capitalised, apart from 'I', which is not a name."""
    first, *others = [word for word in upper if word != "I"] or ("",)
    return not others and (not first or (first.isalpha() and cleaned.startswith(first)))


_SCALES = frozenset("KMB")
"""Suffixes of numbers: $60K."""
_SENTENCE_START = re.compile(r"(?:^|[.!?:\"(]) ?[(\"']?([A-Za-z]+)")

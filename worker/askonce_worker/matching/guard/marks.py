"""The symbols in a text: operators, brackets, arrows, emoji, markup. Embeddings barely see them.

Ordinary punctuation does not count: `?` ends a question, but not in `ab?c`.
"""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from askonce_worker.matching.guard.tokens import clean, has_joints, stems, tokens
from askonce_worker.matching.guard.words import FUNCTION, SYNONYMS

_OVERLAYS = "\u0334-\u0338"
"""Combining characters that strike a letter through."""
_PROSE = "|".join(
    (
        r"(?<=\w)['’.,/&](?=\w)|(?<=\d):(?=\d)",  # isn't, and/or, 12:30
        r"(?<=[\w\s?.!])\((?=[^()]*[A-Za-z]{3})(?![^()]*\b(?:and|or|not|xor)\b)[A-Za-z ,.'-]+\)",  # (silver)
        r"(?<=\w)\(\)|(?<=[A-Za-z])(?:\+\+|#)(?![\w+#])|(?<=[\dk])\+(?=[\s?.,]|$)",  # f(), C++, 18+
        r"[\"`]|'(?!\()|(?<!\w)'|\.{2,}|[.,;:!?/]{1,8}(?=[\s\"'`)\]]|$|[^\x00-\x7f])",  # 'x', the end of a clause
        r"(?<=[a-z\s])[.,;:!?]{1,8}(?=[A-Z])|(?<!~)~(?=[\s.!?,。！？]|$|[^\x00-\x7f])",  # …, or ~
        r"(?<!\w)[-.](?=\w)|(?<=[\w\s,])-{1,3}(?=[\w\s])",  # -5, .csv, e-mail, a dash
        r"(?<=\s)&(?=\s)|(?<=\d)\s?[%$€£¥₹₩₽₺฿₫]|[$€£¥₹₩₽₺฿₫](?=\s?\d)",  # a & b, 5 %, $5
    )
)
_SIGN = re.compile(
    r"(?=[^A-Za-z0-9\s]|\s[%$€£¥₹₩₽₺฿₫])"  # fails fast at letters, which are most of a text
    rf"(?:({_PROSE})|([^\w\s]|\b_|_\b|[²³¹\u2070-\u209c{_OVERLAYS}]))",
    re.MULTILINE,
)
_DECORATION = re.compile(
    r"\A(?:[*•·–-] +|> *)(?=[^\n]*\Z)|(?<=[?？]) ?[🙂😊😀😃😄😁🤗🙏*]+\s*\Z|\s[:;]-?[()](?=\s.*[?？])"
)
"""A bullet before a single line; a smiley or asterisk after a question; an emoticon before one."""
_BULLETS = frozenset("*•·–->")
_LETTERLIKE = re.compile(rf"[_²³¹\u2070-\u209c{_OVERLAYS}]")
_USUAL = re.compile(r"[\w\s]*+(?:(?:['’.,\-](?=\w)|[.,?!]++(?=\s|$))[\w\s]*+)*+")
_SILENT = frozenset({"Mn", "Mc", "Cf", "Cc", "Cs", "Co", "Cn", "Po", "Pd", "Pi", "Pf"})
"""Unicode categories: combining marks, invisible characters, and the punctuation of other scripts."""
_PROSE_ELSEWHERE = frozenset("《》〈〉「」『』【】～（）™®©")
_CODE = frozenset("=<>{}[]|\\^*~_()")
_CALCULATING = frozenset("=<>+*^|\\~&%")
"""Next to one of these every word counts."""
_YEAR = 4
"""Digits of a year."""
_FEW = 2
"""Prose may contain this many code symbols too."""


class Mark(NamedTuple):
    """A symbol and the words on both sides."""

    sign: str
    left: str
    right: str


def firm(found: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """The symbols that nobody omits: all but brackets in prose, and stray keyboard characters in Chinese."""
    return tuple(mark for mark in found if not _is_aside(mark))


def _is_aside(mark: Mark) -> bool:
    sides = [side for side in (mark.left, mark.right) if side]
    if any((side.isdecimal() and len(side) != _YEAR) or (len(side) == 1 and side.isascii()) for side in sides):
        return False
    if {*mark.sign} <= {"(", ")"}:
        return True
    return len({*mark.sign}) == 1 and mark.sign[0] in "[]{}|^>/" and any(not side.isascii() for side in sides)


def marks(text: str) -> tuple[Mark, ...]:
    """The symbols of a text as written, without the punctuation of prose."""
    if _USUAL.fullmatch(text) is not None and _LETTERLIKE.search(text) is None:
        return ()
    if text[:1] in _BULLETS or text[-1:] == "*" or ":(" in text or ":)" in text or not text.isascii():
        text = _DECORATION.sub("", text)
    signs = [found for found in _SIGN.finditer(text) if found[2] and not _is_silent(found[2])]
    ends = (0, *(sign.end() for sign in signs))
    starts = (*(sign.start() for sign in signs), len(text))
    silent = FUNCTION if len(signs) <= _FEW and _CALCULATING.isdisjoint(sign[2] for sign in signs) else frozenset[str]()
    as_it_is = text.isascii() and not has_joints(text)
    pieces = [_words(text[end:start], silent, as_it_is) for end, start in zip(ends, starts, strict=True)]
    return tuple(_placed([sign[2] for sign in signs], pieces))


def _words(piece: str, silent: frozenset[str], as_it_is: bool) -> list[str]:
    """as_it_is: cleaning would not change its words."""
    if piece.isdecimal():
        return [piece]
    if not piece or piece.isspace():
        return []
    stemmed = stems(tokens((piece if as_it_is else clean(piece)).casefold()))
    return [SYNONYMS.get(word, word) for word in stemmed if word not in silent]


def _placed(signs: list[str], pieces: list[list[str]]) -> list[Mark]:
    """Each symbol with the nearest words. Adjacent symbols are one: `**`, `->`."""
    placed: list[Mark] = []
    left = ""
    sign = ""
    for each, before in zip(signs, pieces, strict=False):
        if before and sign:
            placed.append(Mark(sign, left, before[0]))
            sign = ""
        left = before[-1] if before else left
        sign += each
    if sign:
        placed.append(Mark(sign, left, pieces[-1][0] if pieces[-1] else ""))
    return placed


@lru_cache(maxsize=4096)
def _is_silent(sign: str) -> bool:
    if sign.isascii() or "\u0334" <= sign <= "\u0338":
        return False
    return sign in _PROSE_ELSEWHERE or unicodedata.category(sign) in _SILENT


def same_signs(a: tuple[Mark, ...], b: tuple[Mark, ...], *, in_place: bool) -> bool:
    """in_place: they must also be between the same words, except a single emoji or bracket."""
    if not in_place or (len(a) == len(b) == 1 and _CALCULATING.isdisjoint(a[0].sign)):
        return [mark.sign for mark in a] == [mark.sign for mark in b]
    return a == b


def is_formal(found: tuple[Mark, ...], text: str, folded: str) -> bool:
    """Whether a text is a program, formula, table or record, in which every word counts."""
    if any(verb in folded for verb in _VERBS) and _PROGRAM.search(text) is not None:
        return True
    has_fields = (":" in text or "：" in text) and len(_FIELD.findall(text)) > 1
    if not found:
        return has_fields
    code = sum(sign in _CODE for mark in found for sign in mark.sign)
    return (
        code > _FEW
        or has_fields
        or any(unicodedata.category(sign) in ("So", "Sm") for mark in found for sign in mark.sign if sign > "\x7f")
    )


_PROGRAM = re.compile(
    r"\bselect\s+\S.{0,200}?\sfrom\s+\w+.{0,200}?\s(?:where|group by|order by|join|limit|union|having)\b"
    r"|\b(?:delete\s+from|insert\s+into|update)\s+\w+\s.{0,200}?\b(?:where|values|set)\b",
    re.IGNORECASE,
)
"""An SQL query, in any case."""
_VERBS = ("select", "delete", "insert", "update")
_FIELD = re.compile(r"[\w\"'] ?[:：]\s?(?=\S)(?!//)")

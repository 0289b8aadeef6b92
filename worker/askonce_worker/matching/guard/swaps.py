"""Two parts of a text in each other's places: words, or letters where nothing parts words."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from askonce_worker.matching.guard.words import FUNCTION

_MOST = 200
"""Items between what two sequences share at both ends. More are not searched."""
_UNSPACED = re.compile(r"[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\u0e00-\u0e7f]")
_NOT_A_LETTER = re.compile(r"[\W_]+")
_FREE = re.compile(r"[和与跟及或又是]|还是|怎么|如何|什么|哪|几|多少|绑定|[とやか]|와|과|하고|또는|でも")
"""What joins two parts either of which may stand first, is asked of both, or moves with its word."""


class Swap(NamedTuple):
    """What stands first here and last there, what is between, what stands last here."""

    first: Sequence[str]
    between: Sequence[str]
    last: Sequence[str]


def swap(a: Sequence[str], b: Sequence[str]) -> Swap | None:
    """None unless that is all that differs. A part that only moved past another is none: nothing is between."""
    if len(a) != len(b) or a == b:
        return None
    start = next(at for at, (one, other) in enumerate(zip(a, b, strict=True)) if one != other)
    end = next(at for at, (one, other) in enumerate(zip(reversed(a), reversed(b), strict=True)) if one != other)
    a, b = a[start : len(a) - end], b[start : len(b) - end]
    size = len(a)
    if size > _MOST or sorted(a) != sorted(b):
        return None
    first = next((at for at in range(1, size) if a[:at] == b[size - at :]), None)
    last = next((at for at in range(1, size) if b[:at] == a[size - at :]), None)
    if first is None or last is None or first + last >= size:
        return None
    between = a[first : size - last]
    return Swap(a[:first], between, b[:last]) if between == b[last : size - first] else None


def letters(folded: str) -> str:
    """Of a text in a script that parts its words by nothing, or its endings: all but signs. Empty for others."""
    if folded.isascii() or _UNSPACED.search(folded) is None:
        return ""
    return _NOT_A_LETTER.sub("", _PARTICLE.sub(lambda found: _PARTICLES[found[0]], folded))


_PARTICLES = {"을": "를", "으로": "로", "은": "는", "이": "가", "과": "와"}
_PARTICLE = re.compile(r"(?<=[\uac00-\ud7a3])(?:으로|[을은이과])(?![\uac00-\ud7a3])")
"""Of Korean, as they sound after a consonant; and after a vowel."""


def letters_swapped(a: str, b: str) -> bool:
    """医生告病人, 病人告医生. Each of the two says more than 'I' or 的."""
    found = swap(a, b) if len(a) == len(b) else None
    if found is None:
        return False
    first, between, last = map("".join, found)
    return not (first in FUNCTION - _WHO or last in FUNCTION - _WHO or _FREE.search(first + " " + between + " " + last))


def particle_moved(a: str, b: str) -> bool:
    """What is said of the member alone, and what of the book: 会員だけが本を, 会員が本だけを. Hardly more differs."""
    if not a or not b:
        return False
    said, other = {*_ALONE.findall(a)}, {*_ALONE.findall(b)}
    if not said or not other or said == other:
        return False
    return (Counter(a) - Counter(b)).total() <= _ENDINGS and (Counter(b) - Counter(a)).total() <= _ENDINGS


_ALONE = re.compile(r"(..)(?:だけ|のみ|しか|만)")
_ENDINGS = 2
"""Letters that an ending takes."""
_WHO = frozenset({"谁", "我", "你", "您", "他", "她", "我们", "你们", "他们"})


def adjacent(a: Sequence[str], b: Sequence[str]) -> tuple[str, str] | None:
    """The two neighbours that alone changed places: 'house boat', 'boat house'."""
    if len(a) != len(b):
        return None
    places = [at for at, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
    if len(places) != 2 or places[1] != places[0] + 1:
        return None
    pair = a[places[0]], a[places[1]]
    return pair if pair == (b[places[1]], b[places[0]]) else None

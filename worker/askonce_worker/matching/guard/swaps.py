"""Two parts of a text that swapped places: words, or letters in scripts without spaces."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from askonce_worker.matching.guard.words import FUNCTION

_MOST = 200
"""Maximum items between the common ends of two sequences. Longer ones are not searched."""
_UNSPACED = re.compile(r"[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\u0e00-\u0e7f]")
_NOT_A_LETTER = re.compile(r"[\W_]+")
_FREE = re.compile(r"[和与跟及或又是]|还是|怎么|如何|什么|哪|几|多少|绑定|[とやか]|와|과|하고|또는|でも")
"""Words that join two interchangeable parts, apply to both, or move with their word."""


class Swap(NamedTuple):
    """The part that is first here and last there, the middle, and the part that is last here."""

    first: Sequence[str]
    between: Sequence[str]
    last: Sequence[str]


def swap(a: Sequence[str], b: Sequence[str]) -> Swap | None:
    """None unless the swap is the only difference. A part that merely moved past another is not a swap: nothing is
    between."""
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
    """The letters of a text in a script without spaces between words or endings. Empty for other scripts."""
    if folded.isascii() or _UNSPACED.search(folded) is None:
        return ""
    return _NOT_A_LETTER.sub("", _PARTICLE.sub(lambda found: _PARTICLES[found[0]], folded))


_PARTICLES = {"을": "를", "으로": "로", "은": "는", "이": "가", "과": "와"}
_PARTICLE = re.compile(r"(?<=[\uac00-\ud7a3])(?:으로|[을은이과])(?![\uac00-\ud7a3])")
"""Korean particles as they sound after a consonant, and after a vowel."""


def letters_swapped(a: str, b: str) -> bool:
    """医生告病人, 病人告医生. Each of the two parts is more than 'I' or 的."""
    found = swap(a, b) if len(a) == len(b) else None
    if found is None:
        return False
    first, between, last = map("".join, found)
    return not (first in FUNCTION - _WHO or last in FUNCTION - _WHO or _FREE.search(first + " " + between + " " + last))


def particle_moved(a: str, b: str) -> bool:
    """Whether 'only' applies to another word: 会員だけが本を, 会員が本だけを. Hardly anything else may differ."""
    if not a or not b:
        return False
    said, other = {*_ALONE.findall(a)}, {*_ALONE.findall(b)}
    if not said or not other or said == other:
        return False
    return (Counter(a) - Counter(b)).total() <= _ENDINGS and (Counter(b) - Counter(a)).total() <= _ENDINGS


_ALONE = re.compile(r"(..)(?:だけ|のみ|しか|만)")
_ENDINGS = 2
"""Maximum letters of an ending."""
_WHO = frozenset({"谁", "我", "你", "您", "他", "她", "我们", "你们", "他们"})


def adjacent(a: Sequence[str], b: Sequence[str]) -> tuple[str, str] | None:
    """Two neighbours that swapped places as the only difference: 'house boat', 'boat house'."""
    if len(a) != len(b):
        return None
    places = [at for at, (one, other) in enumerate(zip(a, b, strict=True)) if one != other]
    if len(places) != 2 or places[1] != places[0] + 1:
        return None
    pair = a[places[0]], a[places[1]]
    return pair if pair == (b[places[1]], b[places[0]]) else None

"""The quantities of a text, in digits, English words or Chinese numerals.

`firm` numbers must occur in the other text too. `loose` ones need not, because they often count nothing ('which one',
'at first', '一下'), but they match a firm one: '1 month' and 'one month' are the same.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from askonce_worker.matching.guard.words import UNITS

_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(
    r"(?=[t$€£¥₹₩₽\d-])"  # where a number can begin
    r"(\btop )?(?:([$€£¥₹₩₽]) ?)?((?:(?<=[ (=])|^)-)?(\d+(?:[.,:]\d+)*)"
    r"(?:[ -]?([a-z]+|[%°]|[$€£¥₹₩₽](?! ?\d)|[\u4e00-\u9fff]{1,2}))?"
)
_OF_TWO = {"¥": ("yuan", "jpy")}
"""A symbol of two currencies."""
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COUNTERS = (
    "个月|年级|小时|公里|位数|元钱|块钱|[个年月日号天周岁块元次本部集季级章课位种只条张楼层点分秒倍人名代期届线斤米]"
    "|[回话版卷册页句首款遍寸度折星路中桶手胎杯口把台辆间套段行列]"
)
_CHINESE = re.compile(rf"(?<![\d.])(第)?([零〇一二两三四五六七八九十百千万亿]{{1,16}})({_COUNTERS})?")
_ZH_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_ZH_SCALES = {"十": 10, "百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8}
_SCALES = {
    "hundred": 10**2, "k": 10**3, "thousand": 10**3, "lakh": 10**5, "lakhs": 10**5, "mn": 10**6, "million": 10**6,
    "crore": 10**7, "crores": 10**7, "bn": 10**9, "billion": 10**9, "百": 10**2, "千": 10**3, "万": 10**4, "亿": 10**8,
}  # fmt: skip
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ORDINALS = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ROMAN = {"II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9}
_WORDS = (
    {word: value for value, word in enumerate(_ONES.split())}
    | {word: value for value, word in enumerate(_ORDINALS.split())}
    | {word: 10 * value for value, word in enumerate(_TENS.split(), 2)}
)
_SPOKEN = frozenset(form for word in _WORDS for form in (word, word.capitalize(), word.upper())) | _ROMAN.keys()
"""Without one of these words there is no number in words."""
_NO_NUMBER = 10**30
"""Upper bound of numbers in words: 'two crore crore crore …' is not a number."""
_LOOSE = frozenset({"zero", "one", "first", "second", "two"})


@dataclass(frozen=True, slots=True)
class Numbers:
    firm: frozenset[str]
    all: frozenset[str]
    """Both firm and loose numbers."""
    units: frozenset[tuple[str, str]]
    """Numbers with their units: `5 km`."""
    sequence: tuple[str, ...]
    """All numbers in order: those in digits, then English words, then Chinese numerals."""


@dataclass(slots=True)
class Found:
    firm: list[str] = field(default_factory=list)
    all: list[str] = field(default_factory=list)
    units: set[tuple[str, str]] = field(default_factory=set)

    def add(self, number: str, unit: str, *, firm: bool) -> None:
        self.all.append(number)
        if firm:
            self.firm.append(number)
        for name in _OF_TWO.get(unit, (UNITS.get(unit),)):
            if name:
                self.units.add((number, name))


def numbers(cleaned: str, words: Sequence[str]) -> Numbers:
    """The numbers of a cleaned text and its words."""
    has_digits = _DIGIT.search(cleaned) is not None
    if not has_digits and cleaned.isascii() and _SPOKEN.isdisjoint(words):
        return _NONE
    found = Found()
    for top, currency, sign, digits, unit in _DIGITS.findall(cleaned.casefold()) if has_digits else ():
        found.add(sign + _scaled(digits, unit), currency or (unit if unit in UNITS else unit[:1]), firm=not top)
    _add_english(words, found)
    if not cleaned.isascii():
        _add_chinese(cleaned, found)
    if not found.all:
        return _NONE
    return Numbers(frozenset(found.firm), frozenset(found.all), frozenset(found.units), tuple(found.all))


_NONE = Numbers(frozenset(), frozenset(), frozenset(), ())


def _scaled(digits: str, unit: str) -> str:
    if not unit and digits[0] != "0" and len(digits) < 20 and digits.isascii() and digits.isdecimal():
        return digits
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    if digits.count(".") == 1 and digits.endswith((".0", ".00")):
        digits = digits.partition(".")[0]
    scale = _SCALES.get(unit) or _SCALES.get(unit[:1] if not unit.isascii() else "")
    if scale and digits.replace(".", "", 1).isdecimal() and len(digits) < 20:
        return f"{(Decimal(digits) * scale).normalize():f}"
    if digits[0] == "0" or len(digits) > 20 or not digits.isdecimal():
        return digits  # 007 is not 7
    return str(int(digits))


def _add_english(words: Sequence[str], found: Found) -> None:
    """`twenty five` is 25, `two hundred` is 200. A Roman numeral counts only in capitals."""
    if _SPOKEN.isdisjoint(words):
        return
    value: int | None = None
    spoken = ""
    for word in (*words, ""):
        small = word.lower()
        part = _ROMAN.get(word, _WORDS.get(small))
        if part is not None and value is not None and value >= 20 and part < 10 and value % 10 == 0:
            value, spoken = value + part, small
        elif value is not None and small in _SCALES and len(small) > 2:
            value, spoken = value * _SCALES[small], small
            if value >= _NO_NUMBER:
                value = None
        else:
            if value is not None:
                found.add(str(value), small, firm=spoken not in _LOOSE)
            value, spoken = part, small


def _add_chinese(cleaned: str, found: Found) -> None:
    """Ordinals (第三), numbers with a counter (三个) and compounds (二十) are firm; 一 and 两 are loose without 第."""
    for ordinal, numeral, counter in _CHINESE.findall(cleaned):
        value = _chinese(numeral)
        if value is None:
            continue
        firm = ordinal or ((counter or len(numeral) > 1) and numeral not in ("一", "两"))
        found.add(str(value), counter, firm=bool(firm))


def _chinese(numeral: str) -> int | None:
    if all(c in _ZH_DIGITS for c in numeral):
        return int("".join(str(_ZH_DIGITS[c]) for c in numeral))
    total = section = digit = 0
    for c in numeral:
        if c in _ZH_DIGITS:
            digit = _ZH_DIGITS[c]
            continue
        scale = _ZH_SCALES[c]
        if scale < 10_000:
            section += (digit or 1) * scale
        else:
            total, section = (total + section + digit) * scale, 0
        digit = 0
    return total + section + digit

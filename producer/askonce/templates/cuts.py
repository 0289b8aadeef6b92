"""Finds the fixed text between several variable parts of a prompt.

    Summarise this review for a {audience}.\n\nReview: {review}

One part is compared by similarity: the one that varies most. The others must be equal.
"""

import math
import re
from collections.abc import Collection, Iterator, Sequence

from askonce.templates.template import Cut, Side

LEAST_VALUES = 5
SHARE = 0.9
"""Of the texts that a mark stands in."""
MOST_CUTS = 4
PIECE = 4
"""Characters of the pieces that are looked for in all texts; shorter marks are no words between two parts."""
LOOKED_AT = 1000
"""Characters at either end of a text in which marks are looked for."""
SOME = 60
"""Texts in which they are looked for; all are counted afterwards."""
CERTAIN = 12
"""Characters of a mark that texts do not have in common by chance."""
LABELS = (":\n", ": ", ":", ".\n", "\n\n", "\n", ". ", " | ", " - ", "\t")
"""What may end the first of two parts, where that has few values."""
FEW = 4
"""A part has few values if each stands in so many texts on average."""
MOST_OF_FEW = 60
"""Characters of such a value."""
BOUNDARY = re.compile(r"(?:\n|[.!?:;]\s|[。！？：；]|[>\]])\W*")
"""Where a text may begin: after a line, a sentence, a label or a tag, with what opens it, such as a quotation mark."""
MOST_CUT_BACK = 40


def find_cuts(texts: Sequence[str], *, by_words: Collection[Side]) -> tuple[Cut, ...]:
    """Those by which nearly all of these texts are taken apart, outermost first.

    by_words: what may be kept where nothing but words divides two parts. Both, where the texts are parts of a sentence
    of the prompt; none, where they stand on their own: then they have words in common because they are worded alike.
    """
    cuts: list[Cut] = []
    while len(texts) >= LEAST_VALUES and len(cuts) < MOST_CUTS:
        cut = _best_cut(texts, by_words)
        if cut is None:
            break
        cuts.append(cut)
        by_words = by_words if is_plain(cut.mark) else ()
        parts = [cut.split(text) for text in texts]
        texts = [part[cut.keeps == "after"] for part in parts if part is not None]
    return tuple(cuts)


def has_two_parts(texts: Sequence[str]) -> bool:
    """Whether a mark stands once in nearly all of these texts, and what stands before and after it varies freely.

    Texts that have such a mark by chance have it more than once, or not all of them.
    """
    if len(texts) < LEAST_VALUES:
        return False
    for mark in set(_marks(texts)):
        parts = [text.split(mark) for text in texts if text.count(mark) == 1]
        whole = [(before.strip(), after.strip()) for before, after in parts if before.strip() and after.strip()]
        if len(whole) >= SHARE * len(texts) and not any(_is_few(side) for side in zip(*whole, strict=True)):
            return True
    return False


def _is_few(values: Sequence[str]) -> bool:
    return len(set(values)) * FEW <= len(values) and max(map(len, values)) <= MOST_OF_FEW


def _best_cut(texts: Sequence[str], by_words: Collection[Side]) -> Cut | None:
    marks = {mark for mark in map(cut_back, _marks(texts)) if by_words or not is_plain(mark)}
    for mark in sorted(marks, key=lambda mark: (is_plain(mark), -len(mark), mark)):
        for keeps in _sides(texts, mark):
            cut = Cut(mark, keeps)
            if (keeps in by_words or not is_plain(mark)) and _divides(texts, cut):
                return cut
    return None


def _sides(texts: Sequence[str], mark: str) -> tuple[Side, Side]:
    """The part that varies more comes first."""
    after = {text.partition(mark)[2] for text in texts}
    before = {text.rpartition(mark)[0] for text in texts}
    more = (len(after), sum(map(len, after))) >= (len(before), sum(map(len, before)))
    return ("after", "before") if more else ("before", "after")


def _divides(texts: Sequence[str], cut: Cut) -> bool:
    """Whether the mark is part of the prompt: by its form; or because the part that is left has few values."""
    parts = [part for text in texts if (part := cut.split(text)) is not None]
    if len(parts) < SHARE * len(texts):
        return False
    kept = [part[cut.keeps == "after"].strip() for part in parts]
    fixed = [part[cut.keeps == "before"] for part in parts]
    if not any(text.strip() for text in fixed) or sum(map(bool, kept)) < SHARE * len(texts):
        return False
    return _is_few(fixed) or _is_certain(cut.mark)


def is_plain(mark: str) -> bool:
    """Words alone."""
    return all(character.isalnum() or character == " " for character in mark)


def _is_certain(mark: str) -> bool:
    labelled = any(end in mark for end in "\n:：")
    return len(mark) >= CERTAIN or (labelled and any(character.isalnum() for character in mark))


def _marks(texts: Sequence[str]) -> Iterator[str]:
    """What nearly all texts have in common, in whole words; and ends of labels."""
    some = [_ends_of(text) for text in texts[:: math.ceil(len(texts) / SOME)]]
    for text in sorted(texts, key=len)[:: max(1, len(texts) // 2)][:2]:
        yield from _shared(_ends_of(text), some)
    yield from (label for label in LABELS if _stands_in_most(label, some))


def _ends_of(text: str) -> str:
    return text if len(text) <= 2 * LOOKED_AT else f"{text[:LOOKED_AT]}\0{text[-LOOKED_AT:]}"


def _shared(text: str, texts: Sequence[str]) -> Iterator[str]:
    """The longest pieces of this text that nearly all have."""
    begin = 0
    while begin + PIECE <= len(text):
        end = begin + PIECE
        while end <= len(text) and _stands_in_most(text[begin:end], texts):
            end += 1
        mark = _whole_words(text, begin, end - 1)
        if len(mark) >= PIECE:
            yield mark
        begin = max(begin + 1, end - PIECE)


def _stands_in_most(piece: str, texts: Sequence[str]) -> bool:
    misses, most = 0, (1 - SHARE) * len(texts)
    for text in texts:
        if piece not in text:
            misses += 1
            if misses > most:
                return False
    return True


def _whole_words(text: str, begin: int, end: int) -> str:
    """The piece without words that are cut in two at its ends."""
    while begin < end and is_word(text[begin]) and (begin == 0 or is_word(text[begin - 1])):
        begin += 1
    while begin < end and is_word(text[end - 1]) and (end == len(text) or is_word(text[end])):
        end -= 1
    return text[begin:end]


def cut_back(fixed: str) -> str:
    """Fixed text before a variable part, without the words that all texts happen to begin with."""
    ends = [found.end() for found in BOUNDARY.finditer(fixed)]
    return fixed[: ends[-1]] if ends and len(fixed) - ends[-1] <= MOST_CUT_BACK else fixed


def is_word(character: str) -> bool:
    """Of a script that separates words. (Chinese, Japanese and Thai do not, and come after it in Unicode.)"""
    return character.isalnum() and character < "\u0e00"

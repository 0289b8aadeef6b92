"""Whether a text is negated. A firm negation needs a counterpart in the other text; a loose one ('unable', 'fail') only
serves as a counterpart."""

import re
from collections.abc import Sequence
from enum import IntEnum

from askonce_worker.matching.guard.languages import ENGLISH_AND_CHINESE, Vocabulary
from askonce_worker.matching.guard.tokens import tokens
from askonce_worker.matching.guard.words import HALF_NEGATIONS, NEAR_NEGATIONS, NEGATIONS


class Polarity(IntEnum):
    PLAIN = 0
    LOOSE = 1
    FIRM = 2


_NEUTRAL = re.compile(
    r"\bor (?:not|don't|doesn't)\b|\b(?:why|if) not\b"
    r"|\b(?:\w+n't|not) (?:it|you|he|she|they|we|i|there)\s*(?:\?|$)"  # '..., isn't it?'
    r"|(?:^|[.!?,] ?)(?:is|are|was|were|does|did|has|have)n't "  # 'Isn't tea ...?'
    r"|(?:^|[.!?,] ?)(?:do|ca|could|wo|would|should)n't "  # 'Can't I ...?', but not 'Can't log in'
    r"(?=(?:i|you|he|she|it|we|they|one|there|th(?:is|at|ese|ose|e)|an?|my|your|our|his|her|their|any\w*|some\w*|people)\b)"
    r"|\bnot only\b|\bno\.? ?(?=\d)"
    r"|\b(?:account|phone|mobile|contact|order|invoice|rational) no\b(?=\W*$|\.| (?:of|for|is|and)\b)"
    r"|(.)[不没]\1|有没有|(?<!什么)(?:没有?|不)(?=[?!。.,吗呢啊呀~ ]*$|,)"  # 能不能, 好不好, 吃了没
    r"|不是(?=.{0,40}[吗么][?!。 ]*$)|难道[不没]|不(?:可以|能)(?=.{0,40}[么嘛][?!。 ]*$)"
    r"|有没(?!收|过|发|到)|(?<!什么)[不没](?=[?!。])"
)


def polarity(words: Sequence[str], folded: str, known: Vocabulary) -> Polarity:
    """The polarity of a folded text and its words. Forms that negate nothing are ignored: 'isn't it?', 'or not',
    能不能."""
    if known is not ENGLISH_AND_CHINESE:
        return Polarity.FIRM if _says_no(words, folded, known) else Polarity.PLAIN
    if _denies(words, folded) and _still_denies(_NEUTRAL.sub(" ", folded)):
        if _UNSURE.search(folded) is None or _still_denies(_UNSURE.sub(" ", _NEUTRAL.sub(" ", folded))):
            return Polarity.FIRM
        return Polarity.LOOSE
    return Polarity.PLAIN if HALF_NEGATIONS.isdisjoint(words) else Polarity.LOOSE


def _says_no(words: Sequence[str], folded: str, known: Vocabulary) -> bool:
    if known.in_words:
        return not known.negations.isdisjoint(words[1:] if words and words[0] in known.plain else words)
    for part in known.plain:
        folded = folded.replace(part, "")
    return any(part in folded for part in known.negations)


def _still_denies(folded: str) -> bool:
    return _denies(tokens(folded), folded)


_UNSURE = re.compile(
    r"\bno idea\b|\bnot (?:really )?sure\b"
    r"|\bi (?:really )?(?:don't|do not|dont|can't|cannot) (?:really )?(?:know|understand|figure out|see) (?=wh|how|if)"
)
"""Phrases that turn a negation into a question: 'I don't know where it is', 'where is it?'."""
_FREE_OF = re.compile(r"\b(?!care|hands|toll)\w{3,20}(?<!\bcare)free\b|\bfree (?:of|from) (?!charge|cost)")


def _denies(words: Sequence[str], folded: str) -> bool:
    if not NEGATIONS.isdisjoint(words) or not NEAR_NEGATIONS.isdisjoint(words):
        return True
    if "free" in folded and _FREE_OF.search(folded) is not None:
        return True
    return "n't" in folded and any(word.endswith("n't") for word in words)

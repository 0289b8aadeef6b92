"""One word replaced or added: 'rename a branch', 'rename a tag'; 'my card', 'my travel card'.

Nothing else differs, so unless the two words are known to have the same meaning, the texts ask for different things.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from askonce.affixes import common_prefix, common_suffix
from askonce_worker.matching.guard.agreement import inflects, plain
from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.rewording import unmatched
from askonce_worker.matching.guard.tokens import FIRST_HAN
from askonce_worker.matching.guard.unsure_language import stand_apart
from askonce_worker.matching.guard.wordings import are_one, without_known
from askonce_worker.matching.guard.words import (
    COMMON_VERBS,
    DETERMINERS,
    EXCHANGED,
    FREELY_PLACED,
    FUNCTION,
    NEGATIONS,
    PLAIN_ATTRIBUTES,
    stem,
)

_FEW = 10
"""Maximum words of a text in which an inflected neighbour, a verb of little meaning, or one in another language
is decisive."""
_FEWER = 8
"""The same where the end differs."""
_SHORT = 10
"""Maximum letters of a Chinese text plus the longer of the two differing parts: in a short text every character
counts."""


def is_replaced(a: Features, b: Features) -> bool:
    if len(a.sequence) == len(b.sequence):
        at = _only_change(a.sequence, b.sequence)
        if at is not None and max(a.sequence[at], b.sequence[at]) < FIRST_HAN:
            return _asks_else(a, b, at)
        if at is not None and _are_exchanged(a.sequence[at], b.sequence[at]):
            return True
    elif _is_another_thing(a, b) or _is_another_thing(b, a):
        return True
    return _english_differs(a, b) or _short_parts_differ(a, b)


def _only_change(a: Sequence[str], b: Sequence[str]) -> int | None:
    changed = None
    for at, (one, other) in enumerate(zip(a, b, strict=True)):
        if one != other:
            if changed is not None:
                return None
            changed = at
    return changed


def _asks_else(a: Features, b: Features, at: int) -> bool:
    """Whether the words at this position have different meanings."""
    one, other = a.sequence[at], b.sequence[at]
    if _are_exchanged(one, other):
        return True
    if not _mean_else(one, other, a, b):
        return False
    if a.vocabulary.links is not None and b.vocabulary.links is not None:
        return True
    return _are_of_one_part(a, b, at) and not _are_reworded(one, other, a)


def _mean_else(one: str, other: str, a: Features, b: Features) -> bool:
    return _tells(one, a) and _tells(other, b) and not are_one(one, other) and not _are_listed_apart(a, b)


def _english_differs(a: Features, b: Features) -> bool:
    if a.language.name != "en" or b.language.name != "en" or max(len(a.sequence), len(b.sequence)) > _FEW:
        return False
    differing = a.words ^ b.words
    if len(differing) > _MANY:
        return False
    return _agrees_with_another(a, b, differing) or (a.sequence[-1:] != b.sequence[-1:] and _ends_otherwise(a, b))


_MANY = 6
"""Maximum differing words: one and two, and their articles or inflected neighbours."""


def _agrees_with_another(a: Features, b: Features, differing: AbstractSet[str]) -> bool:
    """'Are towels included', 'is parking included'."""
    if not inflects(differing):
        return False
    one, other = plain(a.sequence), plain(b.sequence)
    at = _only_change(one, other) if len(one) == len(other) else None
    return at is not None and _mean_else(one[at], other[at], a, b)


def _ends_otherwise(a: Features, b: Features) -> bool:
    """'Cover theft', 'cover water damage': one word at the end is replaced by one with another article, or by two."""
    if max(len(a.sequence), len(b.sequence)) > _FEWER or not _POSSESSIVES.isdisjoint(a.words ^ b.words):
        return False
    short, long = sorted((a, b), key=lambda text: len(text.content))
    words, others = plain(short.sequence), plain(long.sequence)
    if len(words) < 2 or not others:
        return False
    if words[:-1] == others[:-1]:
        return _mean_else(words[-1], others[-1], short, long)
    return words[:-1] == others[:-2] and _is_phrase(others, long) and _is_not_part(words[-1], others[-2:], short, long)


_POSSESSIVES = frozenset({"my", "our", stem("your")})


def _is_phrase(words: Sequence[str], text: Features) -> bool:
    """Whether the last two words are a thing with an attribute rather than a verb with its object."""
    return (
        words[-2:] == list(text.sequence[-2:])
        and words[-3:-2] != []
        and words[-3] not in _BEFORE_VERBS
        and words[-2] not in PLAIN_ATTRIBUTES
        and words[-1] not in _ADVERBS
        and all(_has_meaning(word, text) for word in words[-2:])
    )


_BEFORE_VERBS = frozenset({"i", "you", "we", "to"})
_ADVERBS = FREELY_PLACED | {"back", "away"}


def _is_not_part(word: str, phrase: Sequence[str], short: Features, long: Features) -> bool:
    """Whether the word is neither known as one of the two nor their acronym."""
    if word == phrase[0][0] + phrase[1][0]:
        return False
    return all(_mean_else(word, part, short, long) for part in phrase)


def _are_listed_apart(a: Features, b: Features) -> bool:
    """Whether another rule handles these words."""
    return stand_apart(a.opposites, b.opposites) or stand_apart(a.kinds, b.kinds)


def _are_exchanged(one: str, other: str) -> bool:
    """Two function words with different meanings: both, either."""
    return stand_apart(EXCHANGED.get(one, _NOWHERE), EXCHANGED.get(other, _NOWHERE))


_NOWHERE = frozenset[int]()


def _is_another_thing(short: Features, long: Features) -> bool:
    """'My card', 'my travel card': one text has an extra word, between an article or the like and a noun."""
    if len(long.sequence) != len(short.sequence) + 1 or long.language.name != "en":
        return False
    at = next((at for at, word in enumerate(short.sequence) if word != long.sequence[at]), len(short.sequence))
    if not 0 < at < len(short.sequence) or short.sequence[at:] != long.sequence[at + 1 :]:
        return False
    word, thing = long.sequence[at : at + 2]
    return (
        long.sequence[at - 1] in DETERMINERS["en"]
        and word not in PLAIN_ATTRIBUTES
        and word.upper() not in long.as_written
        and _has_meaning(word, long)
        and _has_meaning(thing, long)
    )


def _has_meaning(word: str, text: Features) -> bool:
    return word not in text.vocabulary.function and not word[0].isdecimal() and not _denies(word)


def _tells(word: str, text: Features) -> bool:
    return _has_meaning(word, text) or (word in COMMON_VERBS and len(text.sequence) <= _FEW)


def _denies(word: str) -> bool:
    """Negations such as `cannot` and `won't` have their own rule."""
    return word in NEGATIONS or word.endswith("n't")


def _short_parts_differ(a: Features, b: Features) -> bool:
    """Whether two short Chinese texts differ in one part, with the same text around it."""
    if not a.letters or not b.letters or max(len(a.letters), len(b.letters)) >= _SHORT:
        return False
    if a.language.name != "zh" or b.language.name != "zh":
        return False
    parts = _middles(a.letters, b.letters)
    if not all(parts) or max(map(len, parts)) + min(len(a.letters), len(b.letters)) > _SHORT:
        return False
    if any(part in FUNCTION or _denies(part) or part[0].isdecimal() for part in parts):
        return False
    words_a, words_b = unmatched(a, b), unmatched(b, a)
    return bool(words_a and words_b) and not are_one(*parts) and bool(without_known(words_a, words_b))


def _middles(a: str, b: str) -> tuple[str, str]:
    """Both texts without their common beginning and end."""
    start = common_prefix(a, b)
    end = common_suffix(a[start:], b[start:])
    return a[start : len(a) - end], b[start : len(b) - end]


def _are_of_one_part(a: Features, b: Features, at: int) -> bool:
    """Whether both are nouns or both are verbs, as far as their neighbours show it."""
    if a.language.name != b.language.name or not all(len(text.as_written) == len(text.sequence) for text in (a, b)):
        return False
    if _is_noun(a, at) and _is_noun(b, at):
        return True
    return len(a.sequence) <= _FEW and _is_verb(a, at) and _is_verb(b, at)


def _are_reworded(one: str, other: str, text: Features) -> bool:
    known = text.vocabulary.rewordings
    return not known.get(one, _NOWHERE).isdisjoint(known.get(other, _NOWHERE))


def _is_noun(text: Features, at: int) -> bool:
    """Recognised by a capital in German, and by the preceding word in Romance languages."""
    if not at:
        return False
    if text.language.name == "de":
        return text.as_written[at][0].isupper()
    return text.as_written[at - 1].casefold() in DETERMINERS.get(text.language.name, ())


def _is_verb(text: Features, at: int) -> bool:
    """Recognised by the next word: in Romance languages by an article or the like, in German by a pronoun; a German
    verb may also be the last word."""
    if not at or not text.as_written[at][0].islower():
        return False
    if text.language.name != "de":
        following = text.as_written[at + 1 : at + 2]
        return bool(following) and following[0].casefold() in DETERMINERS.get(text.language.name, ())
    if at == len(text.sequence) - 1:
        return text.as_written[at].endswith(_GERMAN_ENDINGS)
    return text.as_written[at + 1] in _GERMAN_SUBJECTS


_GERMAN_ENDINGS = ("en", "ern", "eln", "t")
_GERMAN_SUBJECTS = frozenset({"ich", "du", "er", "sie", "Sie", "wir", "ihr", "man"})

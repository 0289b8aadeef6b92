"""Which grammatical person acts on which: 'he owes me', 'I owe him'."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_PERSONS = {
    word: person
    for person, words in {
        "1": "i me my mine myself 我",
        "2": "you your yours yourself 你 您",
        "3": "he him his himself she her hers herself 他 她",
        "1+": "we us our ours ourselves 我们 咱们",
        "3+": "they them their theirs themselves 他们",
    }.items()
    for word in words.split()
}


class Persons(NamedTuple):
    """The mentions of two persons in order, and the stems between consecutive mentions."""

    named: tuple[str, ...]
    between: tuple[tuple[str, ...], ...]


def persons(words: Sequence[str], stemmed: Sequence[str]) -> Persons | None:
    """None if a text does not mention exactly two persons, or mentions them side by side. words: folded."""
    if _PERSONS.keys().isdisjoint(words):
        return None
    found = [at for at, word in enumerate(words) if word in _PERSONS]
    named = tuple(_PERSONS[words[at]] for at in found)
    if len(set(named)) != 2 or len(words) != len(stemmed):
        return None
    between = tuple(tuple(stemmed[start + 1 : end]) for start, end in pairwise(found))
    return Persons(named, between) if any(between) else None


def change_places(a: Persons | None, b: Persons | None) -> bool:
    """Whether the persons swap roles. 'You help me' and 'I need your help' have nothing in common between them."""
    if a is None or b is None or a.between != b.between or {*a.named} != {*b.named}:
        return False
    return all(one != other for one, other in zip(a.named, b.named, strict=True))

"""Which grammatical person does something to which: 'he owes me', 'I owe him'."""

from collections.abc import Sequence
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
    """The two persons of a text, and the stems between them."""

    first: str
    second: str
    between: tuple[str, ...]


def persons(words: Sequence[str], stemmed: Sequence[str]) -> Persons | None:
    """None of a text that names not two, or the one beside the other. words: folded."""
    found = [at for at, word in enumerate(words) if word in _PERSONS]
    if len(found) != 2 or len(words) != len(stemmed):
        return None
    start, end = found
    first, second = _PERSONS[words[start]], _PERSONS[words[end]]
    return None if first == second or end - start == 1 else Persons(first, second, tuple(stemmed[start + 1 : end]))


def change_places(a: Persons | None, b: Persons | None) -> bool:
    """Each does to the other what the other did; between 'you help me' and 'I need your help' nothing is the same."""
    return a is not None and b is not None and (b.second, b.first, b.between) == a

"""The guard's word lists, read once from `words.toml`."""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.resources import files

_TABLES = tomllib.loads(files(__package__).joinpath("words.toml").read_text("utf-8"))

_VOWELS = frozenset("aeiouy")
_KEEP_DOUBLE = frozenset("lsz")
_ENDINGS = ("ing", "ed", "ly")


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """The common stem of an English word's inflected forms: `writing`, `writes` -> `writ`; `tries` -> `try`."""
    word = word.removesuffix("'s")
    if len(word) < 4 or not word.isascii():
        return word
    word = _singular(word)
    for ending in _ENDINGS:
        root = word.removesuffix(ending)
        if root != word and len(root) > 2 and not _VOWELS.isdisjoint(root):
            return _undouble(root)
    return word.removesuffix("e") if len(word) > 3 else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word.removesuffix("ies") + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word.removesuffix("es")
    return word if word.endswith(("ss", "us", "is")) else word.removesuffix("s")


def _undouble(root: str) -> str:
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in _KEEP_DOUBLE:
        return root[:-1]
    return root.removesuffix("e")


def _lines(table: str) -> Iterator[str]:
    for text in _TABLES[table].values():
        yield from filter(None, text.split("\n"))


def _words(*tables: str) -> frozenset[str]:
    return frozenset(stem(word) for table in tables for line in _lines(table) for word in line.split())


def _forms(table: str) -> frozenset[str]:
    """The words as written, to be compared before stemming: 'hardly' is not 'hard'."""
    return frozenset(" ".join(_lines(table)).split())


def _synonyms() -> dict[str, str]:
    """For each word the first one of its line, which represents their meaning."""
    canonical: dict[str, str] = {}
    for line in _lines("synonyms"):
        first, *rest = (stem(word) for word in line.split())
        for word in (first, *rest):
            canonical.setdefault(word, canonical.get(first, first))
    return canonical


WIDTH = 100
"""More than the number of positions in a line."""


def marks(lines: Iterable[str], fold: Callable[[str], str] = stem) -> dict[str, frozenset[int]]:
    """A word's positions: its line number times `WIDTH`, plus its column between the bars."""
    places: dict[str, set[int]] = {}
    for number, line in enumerate(filter(None, lines)):
        for position, names in enumerate(line.split("|")):
            for name in names.split():
                places.setdefault(fold(name), set()).add(number * WIDTH + position)
    return {name: frozenset(found) for name, found in places.items()}


UNITS = {name: line.split()[0] for line in _lines("units") for name in line.split()}
FUNCTION = _words("function")
NEGATIONS = _words("negations")
NEAR_NEGATIONS = _forms("near_negations")
HALF_NEGATIONS = _forms("half_negations")
FALLING_SHORT = _words("falling_short")
LINKS = _words("links")
RELATING = LINKS - {"的"}
"""Links that show who acts on whom. 的 is left out, because it links any two words."""
FOCUS = _forms("focus")
ADDITIVE = _forms("additive")
CAPITONYMS = _forms("capitonyms")
ACRONYMS = _forms("acronyms")
COMPARING = _words("comparing")
QUALIFIERS = _words("qualifiers")
TIMELESS = _words("timeless")
SYMMETRIC = _words("symmetric")
UNDOING = _words("undoing")
VERBS = _words("verbs")
COMMON_VERBS = _words("common_verbs")
PLACE_NAMES = _words("place_names")
FREELY_PLACED = _words("freely_placed")
SYNONYMS = _synonyms()
OPPOSITES = marks(_lines("opposites"))
KINDS = marks(_lines("kinds"))
_MARKS = (("opposite", OPPOSITES), ("kind", KINDS))
TENSES = marks(_lines("tenses"), str)
DETERMINERS = {name: frozenset(map(stem, line.split())) for name, line in _TABLES["determiners"].items()}
"""By language."""
PLAIN_ATTRIBUTES = _words("plain_attributes")
EXCHANGED = marks(_lines("exchanged"))
REWORDINGS = marks(_lines("rewordings"))
PLACES = {
    word: tuple((f"{table} {place // WIDTH}", place) for table, lines in _MARKS for place in lines.get(word, ()))
    for word in OPPOSITES.keys() | KINDS.keys()
}
"""A word's positions among opposites and kinds: the line, and the position in it."""

ENGLISH = frozenset(word for word in PLACES.keys() | SYNONYMS.keys() if word.isascii() and len(word) > 2)
CHINESE = frozenset(
    word
    for table in _TABLES
    for line in _lines(table)
    for word in line.replace("|", " ").split()
    if not word.isascii() and len(word) > 1
)
LONGEST = max(map(len, CHINESE))

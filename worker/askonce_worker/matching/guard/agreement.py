"""One word in another's place whose neighbours agree with it: 'are towels included', 'is parking included'."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from askonce_worker.matching.guard.words import stem

_FORMS = ("is are am", "was were", "do does", "have has", "this these", "that those", "it they", "its their")
_FIRST = {stem(form): stem(forms.split()[0]) for forms in _FORMS for form in forms.split()}
"""Each form's representative."""
_INFLECTED = frozenset(_FIRST)
_ARTICLES = frozenset(map(stem, ("a", "an", "the", "my", "our", "your")))
_ARTICLE = frozenset({"a", "an"})
"""Forms of one article."""


def inflects(differing: AbstractSet[str]) -> bool:
    """Whether the words that only one of two texts has may be forms of the same neighbour."""
    return not differing.isdisjoint(_INFLECTED) or differing >= _ARTICLE


def plain(sequence: Sequence[str]) -> Sequence[str]:
    """The words without articles and the like, and each inflected one as its first form."""
    return [_FIRST.get(word, word) for word in sequence if word not in _ARTICLES]

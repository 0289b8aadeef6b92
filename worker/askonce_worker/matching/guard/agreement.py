"""One word in another's place whose neighbours agree with it: 'are towels included', 'is parking included'."""

from collections.abc import Sequence

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.words import stem

_FORMS = ("is are am", "was were", "do does", "have has", "this these", "that those", "it they", "its their")
_FIRST = {stem(form): stem(forms.split()[0]) for forms in _FORMS for form in forms.split()}
"""Each form's representative."""
_INFLECTED = frozenset(_FIRST)
_ARTICLES = frozenset(map(stem, ("a", "an", "the", "my", "our", "your")))
_ARTICLE = frozenset({"a", "an"})
"""Forms of one article."""


def without_agreement(a: Features, b: Features) -> tuple[Sequence[str], Sequence[str]] | None:
    """The words of two English texts without articles and the like, and each inflected one as its first form. None if
    no neighbour is inflected otherwise."""
    if a.language.name != "en" or b.language.name != "en":
        return None
    differing = a.words ^ b.words
    if differing.isdisjoint(_INFLECTED) and not differing >= _ARTICLE:
        return None
    return _plain(a.sequence), _plain(b.sequence)


def _plain(sequence: Sequence[str]) -> Sequence[str]:
    return [_FIRST.get(word, word) for word in sequence if word not in _ARTICLES]

"""The worker's own rules, applied to the texts of a stream."""

from askonce.question import Question
from askonce_worker.matching.match import Matcher, Reuse
from askonce_worker.matching.never_cache import never_cached

ANY = -1.0
"""The lowest possible cosine: the policy decides how similar a match must be."""


def matcher_of(never_cache: str, max_chars: int) -> Matcher:
    """The matcher of a worker with these settings, without its threshold."""
    return Matcher(threshold=ANY, max_chars=max_chars, never=never_cached(never_cache))


class Rules:
    """What a worker may do with a text. Comparisons are remembered, because other orders repeat them."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._known: dict[tuple[str, str], bool] = {}

    def reuse(self, text: str) -> Reuse:
        return self._matcher.reuse(_question(text))

    def passes(self, text: str, other: str, similarity: float) -> bool:
        """Whether the answer to one may serve the other. Both must be texts whose answers are kept."""
        key = (text, other) if text < other else (other, text)
        if key not in self._known:
            self._known[key] = self._matcher.matches(_question(text), other, similarity)
        return self._known[key]


def fingerprint_of(text: str) -> str:
    """The fingerprint of a question with this text. Equal fingerprints are exact hits."""
    return _question(text).fingerprint


def _question(text: str) -> Question:
    return Question(text, model="-")

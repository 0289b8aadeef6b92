"""The worker's own rules, asked about the texts of a stream."""

from askonce.question import Question
from askonce_worker.matching.match import Matcher, Reuse
from askonce_worker.matching.never_cache import never_cached

ANY = -1.0
"""The least cosine there is: how near a match must be is for the policy to say."""


def matcher_of(never_cache: str, max_chars: int) -> Matcher:
    """As a worker with these settings has it, but for the threshold."""
    return Matcher(threshold=ANY, max_chars=max_chars, never=never_cached(never_cache))


class Rules:
    """What a worker may do with a text. What two texts were compared for once is remembered, for other orders."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._known: dict[tuple[str, str], bool] = {}

    def reuse(self, text: str) -> Reuse:
        return self._matcher.reuse(_question(text))

    def passes(self, text: str, other: str, similarity: float) -> bool:
        """May one of the two, of which neither is about now, be served by the other's answer?"""
        key = (text, other) if text < other else (other, text)
        if key not in self._known:
            self._known[key] = self._matcher.matches(_question(text), other, similarity)
        return self._known[key]


def fingerprint_of(text: str) -> str:
    """The identity of the text: equal ones are exact hits."""
    return _question(text).fingerprint


def _question(text: str) -> Question:
    return Question(text, model="-")

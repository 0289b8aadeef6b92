"""Whether the answer to one question may serve another: the pure rules besides the cosine.

    conflict("如何安装 pandas", "如何卸载 pandas")  ->  "opposite"

A text's features are computed once and cached, so comparing two texts takes a few set operations.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from askonce.question import Question
from askonce_worker.matching.guard import languages
from askonce_worker.matching.guard.features import features, features_of_new, learn
from askonce_worker.matching.guard.rules import RULES
from askonce_worker.matching.sameness import is_indistinct

REMEMBERED = 16_384
"""Texts for which it is remembered whether they ask about now, each of at most `REMEMBERED_CHARS` characters."""
REMEMBERED_CHARS = 256


def conflict(question: str, other: str) -> str | None:
    """The name of the first rule that refuses the pair, or None. Symmetric."""
    return next(conflicts(question, other), None)


def conflicts(question: str, other: str) -> Iterator[str]:
    """The names of all rules that refuse the pair. other: the text that is compared with others too."""
    if question == other:
        return iter(())
    a, b = features_of_new(question), features(other)
    return (name for name, rules_out in RULES.items() if rules_out(a, b))


def effective_threshold(threshold: float, question_threshold: float | None) -> float:
    """The lowest cosine of a match. A question can only raise its embedding model's threshold, never lower it."""
    return threshold if question_threshold is None else max(threshold, question_threshold)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What may be reused for one question.

    kept: its answer may be cached. from_cache: it may be answered from the cache. semantic: it may be matched by
    similarity. threshold: the lowest cosine of such a match. too_long: only its length prevents semantic matching.
    """

    kept: bool
    from_cache: bool
    semantic: bool
    threshold: float
    too_long: bool = False


class Matcher:
    """The rules of semantic hits and of joining in flight, which are the same.

    threshold: lowest cosine; None if unknown for the embedding model, and then only exact matches. max_chars: longer
    texts without a template are only matched exactly. never: matches questions whose answers are not cached. reported:
    whether a question and another text of its scope were reported as a wrong match.
    """

    def __init__(
        self,
        *,
        threshold: float | None,
        max_chars: int,
        never: re.Pattern[str] | None = None,
        reported: Callable[[Question, str], bool] = lambda _, __: False,
    ) -> None:
        self._threshold = threshold
        self._max_chars = max_chars
        self._never = never
        self._reported = reported
        self._about_now: dict[str, bool] = {}
        languages.load()

    def reuse(self, question: Question) -> Reuse:
        """Only the question's text decides whether its answer is cached, not what surrounds it."""
        vector = question.endpoint == "embeddings"  # an embedding stays the same even for a question about now
        kept = question.cache != "bypass" and (vector or not self._is_about_now(question.text))
        semantic = self._threshold is not None and not question.exact_only and question.cache != "bypass"
        too_long = semantic and question.template is None and len(question.text) > self._max_chars
        return Reuse(
            kept=kept,
            from_cache=kept and question.cache == "use",
            semantic=semantic and not too_long,
            threshold=self._threshold_of(question),
            too_long=too_long,
        )

    def _is_about_now(self, text: str) -> bool:
        """Remembered, because questions recur."""
        if self._never is None:
            return False
        known = self._about_now.get(text)
        if known is None:
            known = self._never.search(text) is not None
            if len(text) <= REMEMBERED_CHARS:
                if len(self._about_now) == REMEMBERED:
                    self._about_now.clear()
                self._about_now[text] = known
        return known

    def _threshold_of(self, question: Question) -> float:
        return 1.0 if self._threshold is None else effective_threshold(self._threshold, question.threshold)

    def prepare(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Compute the features of pairs that `matches` will be called with: many at once take less time."""
        learn(pairs)

    def matches(self, question: Question, other: str, similarity: float) -> bool:
        """other: the text of a question of the same scope. It is refused if it asks about now: its entry may be older
        than that rule."""
        return next(self.refusals(question, other, similarity), None) is None

    def refusals(self, question: Question, other: str, similarity: float) -> Iterator[str]:
        """The names of all rules that refuse the other question's answer."""
        if similarity < self._threshold_of(question):
            yield "threshold"
        yield from conflicts(question.text, other)
        if is_indistinct(question.text, other, similarity):
            yield "indistinct"
        if self._is_about_now(other):
            yield "about_now"
        if self._reported(question, other):
            yield "reported"

    @property
    def is_semantic(self) -> bool:
        """Whether anything is matched by similarity."""
        return self._threshold is not None

    def about_now(self, text: str) -> str:
        """The words with which a question asks about now; '' if there are none."""
        found = None if self._never is None else self._never.search(text)
        return "" if found is None else found.group()

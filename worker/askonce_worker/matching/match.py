"""May the answer to one question serve another? The pure rules beside the cosine.

    conflict("如何安装 pandas", "如何卸载 pandas")  ->  "opposite"

A text's features are worked out once and remembered; comparing two texts is then a few set operations.
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
"""Texts of which it is remembered whether they ask about now, each of `REMEMBERED_CHARS` characters at most."""
REMEMBERED_CHARS = 256


def conflict(question: str, other: str) -> str | None:
    """The name of the first rule by which these two have different answers, or None. Symmetric."""
    return next(conflicts(question, other), None)


def conflicts(question: str, other: str) -> Iterator[str]:
    """The names of all rules by which these two have different answers. other: the one that others are compared with
    too."""
    if question == other:
        return iter(())
    a, b = features_of_new(question), features(other)
    return (name for name, rules_out in RULES.items() if rules_out(a, b))


def effective_threshold(threshold: float, question_threshold: float | None) -> float:
    """The least cosine of a match: a question may ask for more than its embedding model's profile, never for less."""
    return threshold if question_threshold is None else max(threshold, question_threshold)


@dataclass(frozen=True, slots=True)
class Reuse:
    """What may be reused for one question.

    kept: its answer may go into the cache. from_cache: it may have an answer out of the cache. semantic: it may be
    matched by similarity. threshold: the least cosine of such a match. too_long: its length alone keeps it from that.
    """

    kept: bool
    from_cache: bool
    semantic: bool
    threshold: float
    too_long: bool = False


class Matcher:
    """The rules of a semantic hit and of joining in flight: one and the same.

    threshold: least cosine similarity; None if nothing is known of the embedding model: exact matches only.
    max_chars: a longer text without a template is matched exactly only. never: questions whose answers are not kept.
    reported: whether a question and the text of another one of its scope were reported as a wrong match.
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
        """The question's text decides whether its answer is kept, not what surrounds it."""
        vector = question.endpoint == "embeddings"  # of a question about now, too, it stays the same
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
        """What is asked again and again is looked at once."""
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
        """Questions and others, of many at once, for which `matches` is about to be asked: it takes less time then."""
        learn(pairs)

    def matches(self, question: Question, other: str, similarity: float) -> bool:
        """other: the text of a question of the same scope. One about now may have an answer from before it was so."""
        return next(self.refusals(question, other, similarity), None) is None

    def refusals(self, question: Question, other: str, similarity: float) -> Iterator[str]:
        """The names of all rules that keep the answer to the other question from this one."""
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
        """The words by which a question asks about now; '' if there are none."""
        found = None if self._never is None else self._never.search(text)
        return "" if found is None else found.group()

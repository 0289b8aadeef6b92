"""The guard's rules: each compares the features of two texts and says whether they rule out a shared answer."""

from collections.abc import Callable

from askonce_worker.matching.guard import form, meaning, naming, ordering, replaced
from askonce_worker.matching.guard.features import Features, features
from askonce_worker.matching.guard.layout import only_difference

Rule = Callable[[Features, Features], bool]
"""Symmetric, and False for a text and itself."""


def lines_differ(a: Features, b: Features) -> bool:
    """Whether two multi-line texts differ in more than the wording of one line."""
    if a.lines == b.lines:
        return False
    pair = only_difference(a.lines, b.lines)
    if pair is None:
        return True
    one, other = map(features, pair)
    return not form.says_the_same(one, other) or any(rule(one, other) for rule in RULES.values())


RULES: dict[str, Rule] = {
    "numbers": meaning.numbers_differ,
    "unit": meaning.units_differ,
    "negation": meaning.polarity_differs,
    "opposite": meaning.opposites,
    "kind": meaning.kinds_differ,
    "quoted": naming.quotes_differ,
    "identifier": naming.identifiers_differ,
    "name": naming.names_differ,
    "asked_for": meaning.asks_else,
    "language": form.is_of_another_language,
    "marks": form.marks_differ,
    "case": form.letter_case_differs,
    "tense": meaning.tenses_differ,
    "more": meaning.asks_for_more,
    "qualifier": meaning.is_qualified,
    "focus": form.focus_differs,
    "order": ordering.order_differs,
    "formal": form.is_reworded,
    "lines": lines_differ,
    "remainder": form.rest_differs,
    "replaced": replaced.is_replaced,
}

"""Rules about names: quotations, identifiers, and capitalised words."""

import re

from askonce_worker.matching.guard.features import Features
from askonce_worker.matching.guard.names import SHORT, Quote
from askonce_worker.matching.guard.rewording import LITTLE, rewording, unmatched
from askonce_worker.matching.guard.spelling import alike
from askonce_worker.matching.guard.words import PLACE_NAMES, SYNONYMS, stem


def quotes_differ(a: Features, b: Features) -> bool:
    """Each text quotes something that the other does not say; or one does, and the wording is almost the same."""
    if not a.quoted and not b.quoted:
        return False
    missing_a, missing_b = _unsaid(a.quoted, b), _unsaid(b.quoted, a)
    return (missing_a and missing_b) or ((missing_a or missing_b) and rewording(a, b) <= LITTLE)


def _unsaid(quoted: frozenset[Quote], other: Features) -> bool:
    return any(
        quote.spelled not in other.spelled and not (quote.words and quote.words <= other.words) for quote in quoted
    )


def identifiers_differ(a: Features, b: Features) -> bool:
    missing_a, missing_b = _missing(a.identifiers, b), _missing(b.identifiers, a)
    return (missing_a and missing_b) or ((missing_a or missing_b) and rewording(a, b) <= LITTLE)


def _missing(exact: frozenset[str], other: Features) -> bool:
    return any(not _is_said(name, other) for name in exact - other.identifiers)


def _is_said(name: str, other: Features) -> bool:
    """Whether the other text says it in another spelling or by a synonym: JavaScript, js."""
    if SYNONYMS.get(stem(name)) in other.counts:
        return True
    if not name.isalnum():
        return False
    if len(name) > SHORT:
        return name in other.spelled
    return re.search(rf"(?<![a-z\d]){re.escape(name)}(?![a-z\d])", other.text) is not None


def names_differ(a: Features, b: Features) -> bool:
    """Each text names something that the other does not; or the only difference is a name that belongs to no shared
    name."""
    if a.names <= b.words and b.names <= a.words:
        return False
    only_a, only_b = unmatched(a, b), unmatched(b, a)
    names_a = {name for name in only_a & a.names if not _stands_in(name, b, only_b)}
    names_b = {name for name in only_b & b.names if not _stands_in(name, a, only_a)}
    if names_a and names_b:
        return rewording(a, b) <= LITTLE
    if len(only_a) + len(only_b) > 1:
        return False
    return any(_stands_alone(name, a, b) for name in names_a) or any(_stands_alone(name, b, a) for name in names_b)


def _stands_alone(name: str, text: Features, other: Features) -> bool:
    """Whether it is neither part of a shared name nor an acronym before a shared word: a PDF invoice."""
    if _is_part(name, text, other):
        return False
    if name in PLACE_NAMES or name.upper() not in text.as_written or len(text.as_written) <= len(other.as_written):
        return True
    return not _qualifies(name, text, other)


def _qualifies(name: str, text: Features, other: Features) -> bool:
    after = text.sequence[text.sequence.index(name) + 1 :][:1] if name in text.sequence else ()
    return any(word in other.words and word not in text.vocabulary.function for word in after)


def _is_part(name: str, text: Features, other: Features) -> bool:
    """Whether it only clarifies a shared name next to it: 'Lisbon', 'Lisbon, Portugal'."""
    at = text.sequence.index(name) if name in text.sequence else 0
    beside = {*text.sequence[max(0, at - 1) : at], *text.sequence[at + 1 : at + 2]}
    return not beside.isdisjoint(text.names & other.words)


def _stands_in(name: str, other: Features, words: set[str]) -> bool:
    """Whether the other text has it too: joined, as initials, or spelled slightly differently."""
    if name in other.spelled or (len(name) <= 5 and name in other.initials):
        return True
    return any(alike(name, word) for word in words)

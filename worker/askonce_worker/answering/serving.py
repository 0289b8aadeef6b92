"""Which candidate serves a question, if any. By default, the first one that the matcher accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from askonce.explanation import InForce
from askonce.question import Question
from askonce_worker.answering.ports import Entry, Vector
from askonce_worker.audit.looks import Look
from askonce_worker.matching.match import Matcher, Reuse


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate with a valid entry. vector: if requested."""

    entry: Entry
    similarity: float
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """look: the match as if it were a hit, and checked."""

    hit: Hit
    look: Look


@dataclass(frozen=True, slots=True)
class Choice:
    """hit: serves the question; None: it is asked. look: the match to compare with its own answer. spare: serves the
    question if the LLM fails or takes long; it must be asked, and follows only the same question. doubt: not a hit, but
    a judge may accept it."""

    hit: Hit | None = None
    look: Look | None = None
    spare: Hit | None = None
    doubt: Doubt | None = None


NOTHING = Choice()


class Serving(Protocol):
    async def prepare(self, questions: Sequence[Question]) -> "Serving":
        """To be awaited before these are looked for. What it returns serves them by the same rules until that is done,
        whatever is decided meanwhile."""
        ...

    def needs_vectors(self, question: Question) -> bool:
        """Whether the candidates' vectors are needed."""
        ...

    def joins(self, question: Question, reuse: Reuse) -> float:
        """The minimum cosine at which it joins another one in flight."""
        ...

    def choose(self, question: Question, lane: str, vector: Vector, found: Sequence[Hit]) -> Choice:
        """found: of the question's scope and epochs, the most similar first."""
        ...

    def in_force(self, question: Question, reuse: Reuse) -> InForce:
        """The policy in force, for explanations. Call after `prepare`."""
        ...

    def scores(self, question: Question, vector: Vector, found: Sequence[Hit]) -> list[float | None]:
        """What that makes of each candidate; None if it is the cosine, or cannot be told."""
        ...


class FirstMatch:
    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    async def prepare(self, questions: Sequence[Question]) -> "FirstMatch":  # noqa: ARG002
        return self

    def needs_vectors(self, question: Question) -> bool:  # noqa: ARG002
        return False

    def joins(self, question: Question, reuse: Reuse) -> float:  # noqa: ARG002
        return reuse.threshold

    def choose(self, question: Question, lane: str, vector: Vector, found: Sequence[Hit]) -> Choice:  # noqa: ARG002
        for hit in found:
            if self._matcher.matches(question, hit.entry.question, hit.similarity):
                return Choice(hit)
        return NOTHING

    def in_force(self, question: Question, reuse: Reuse) -> InForce:  # noqa: ARG002
        return InForce(reuse.threshold if self._matcher.is_semantic else None)

    def scores(self, question: Question, vector: Vector, found: Sequence[Hit]) -> list[float | None]:  # noqa: ARG002
        return [None] * len(found)

"""A question in the pipeline."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from askonce.contract.unmatched import Unmatched
from askonce.question import Question, Tier
from askonce_worker.answering.coalescing import Ask
from askonce_worker.answering.ports import Vector
from askonce_worker.answering.serving import Doubt, Hit
from askonce_worker.audit.looks import Look
from askonce_worker.matching.match import Reuse

NEVER = 2.0
"""Above any cosine."""


@dataclass(slots=True)
class OpenQuestion:
    """A question without an answer so far.

    deadline, asked: Unix ms of Redis's clock. reuse: what the matcher says of it. began: the stamp under which its
    answer will be stored; epochs: the one under which it is matched, kept up to date. lapses: how many workers died
    while its job ran. tier: how it is paid. joins: the least cosine from which on it joins another one in flight.
    unmatched: why it is not compared with others by similarity. waited: seconds, where that took long. called: when the
    LLM was asked, Unix ms of Redis's clock. copies: the same question once more in the same chunk; each gets the same
    answer. look: the match that is to be compared with its own answer. spare: what
    serves it if the LLM fails; it has to be asked itself. doubt: a match that a judge may let serve. avoids: leaders
    that it has followed, whose outcome was no answer to it.
    """

    question: Question
    lane: str
    deadline: int
    asked: int
    reuse: Reuse
    began: str
    epochs: str
    lapses: int = 0
    tier: Tier = "standard"
    joins: float = 1.0
    vector: Vector | None = None
    unmatched: Unmatched | None = None
    waited: float = 0.0
    called: int = 0
    copies: list[Question] = field(default_factory=list)
    look: Look | None = None
    spare: Hit | None = None
    doubt: Doubt | None = None
    avoids: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        return f"{self.question.namespace}:{self.question.job_id}"

    def all(self) -> Iterator[Question]:
        yield self.question
        yield from self.copies

    def ask(self) -> Ask:
        """The question in the coalescer's form."""
        return Ask(
            key=self.key,
            fingerprint=self.question.fingerprint,
            scope=self.question.scope,
            text=self.question.text,
            epochs=self.epochs,
            vector=self.vector,
            threshold=self.joins if self.spare is None else NEVER,  # a check is compared with its own answer alone
            may_follow=self.question.cache == "use",
            asked_ms=self.asked,
            slow=self.tier == "flex",
            patient=self.lane == "bulk",
            avoids=self.avoids,
        )


def group_same(todo: list[OpenQuestion]) -> list[OpenQuestion]:
    """One question per fingerprint, with its equals as copies.

    Only questions that may be answered from a cache, under exactly the same rules, can be copies; otherwise a looser
    question's match would serve a stricter one. Nor can an impatient question be a copy of a patient one.
    """
    first: dict[tuple[object, ...], OpenQuestion] = {}
    groups = []
    for item in todo:
        question = item.question
        if question.cache != "use":
            groups.append(item)
            continue
        wishes = (question.semantic, question.threshold, question.ttl, question.tier, question.schema)
        rules = (question.fingerprint, *wishes)
        leader = first.setdefault(rules, item)
        if leader is item:
            groups.append(item)
        else:
            leader.copies.append(question)
    return groups

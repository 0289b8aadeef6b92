"""A question on its way through the pipeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from askonce.question import Question
from askonce_worker.answering.coalescing import Ask
from askonce_worker.answering.ports import Vector
from askonce_worker.matching.match import Matcher


@dataclass(slots=True)
class OpenQuestion:
    """A question without an answer so far.

    deadline, asked: Unix ms of Redis's clock. began: the stamp under which its answer will be stored; epochs: the one
    under which it is matched, kept up to date. copies: the same question once more in the same chunk; each gets the
    same answer.
    """

    question: Question
    lane: str
    deadline: int
    asked: int
    began: str
    epochs: str
    vector: Vector | None = None
    copies: list[Question] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.question.namespace}:{self.question.job_id}"

    def all(self) -> Iterator[Question]:
        yield self.question
        yield from self.copies

    def ask(self, matcher: Matcher, *, may_follow: bool = True) -> Ask:
        """As the coalescer sees it."""
        return Ask(
            key=self.key,
            fingerprint=self.question.fingerprint,
            scope=self.question.scope,
            text=self.question.text,
            epochs=self.epochs,
            vector=self.vector,
            threshold=matcher.threshold(self.question),
            may_follow=may_follow and self.question.cache == "use",
            asked_ms=self.asked,
        )


class Caches(Protocol):
    """What they say of questions that have waited."""

    async def look_again(self, item: OpenQuestion) -> bool:
        """True: it is answered."""
        ...

    async def is_outdated(self, todo: Sequence[OpenQuestion]) -> bool:
        """Whether there was an invalidation since it was last looked; from here on they are matched after it."""
        ...


def group_same(todo: list[OpenQuestion]) -> list[OpenQuestion]:
    """One of each fingerprint, its equals as its copies.

    Only what may be answered from a cache, and under the very same rules, may be a copy: else a looser question's
    match would serve a stricter one.
    """
    first: dict[tuple[object, ...], OpenQuestion] = {}
    groups = []
    for item in todo:
        question = item.question
        if question.cache != "use":
            groups.append(item)
            continue
        rules = (question.fingerprint, question.semantic, question.threshold, question.ttl)
        leader = first.setdefault(rules, item)
        if leader is item:
            groups.append(item)
        else:
            leader.copies.append(question)
    return groups

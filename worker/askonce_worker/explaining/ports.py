"""The ports an explanation needs, in addition to the pipeline's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from askonce.contract.scope_record import Parts
from askonce.explanation import ExactEntry, Explanation
from askonce.question import Question
from askonce_worker.answering.ports import Entry, Vector


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A stored vector of the namespace, of any scope and epochs."""

    fingerprint: str
    similarity: float
    scope: str
    model: str


@dataclass(frozen=True, slots=True)
class Known:
    """What Redis knows about a question. now: Redis's clock in Unix s."""

    epochs: str
    exact: ExactEntry
    now: int


class Neighbours(Protocol):
    async def near(self, vector: Vector, namespace: str, *, seconds: float) -> list[Neighbour]:
        """The nearest vectors, most similar first. Raises SemanticCacheDown."""
        ...


class Knowledge(Protocol):
    async def known(self, question: Question) -> Known:
        """Takes one round trip. Afterwards the matcher knows all pairs reported so far."""
        ...

    async def entries(self, fingerprints: Sequence[str]) -> dict[str, Entry]:
        """The entries that exist and can be read."""
        ...

    def fits(self, question: Question, entry: Entry) -> bool:
        """Whether an entry of its scope fits the question's schema."""
        ...

    async def scopes(self, scopes: Sequence[str]) -> dict[str, Parts]:
        """Summaries of these scopes, as far as they are kept."""
        ...

    async def reply(self, reply_to: str, explanation: Explanation) -> None: ...

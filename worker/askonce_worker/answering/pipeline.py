"""The pipeline of a chunk: each question is answered at the lowest cost that is still correct.

From the exact cache, from the semantic cache, from a match accepted by a judge, by joining the same question in flight,
and only then from the LLM: in a provider batch, or at once. Every answer is published as soon as it is known.
"""

from askonce_worker.answering.answers import Failure
from askonce_worker.answering.coalescing import Coalescer, Position
from askonce_worker.answering.gate import Gate, NoGate
from askonce_worker.answering.lead_or_follow import LeadOrFollow
from askonce_worker.answering.lookup import Batch, Lookup
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.parking import NoParking, Parking

INTERACTIVE = "interactive"


class Pipeline:
    def __init__(
        self,
        lookup: Lookup,
        coalescer: Coalescer,
        lead_or_follow: LeadOrFollow,
        parking: Parking | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._lookup = lookup
        self._coalescer = coalescer
        self._lead_or_follow = lead_or_follow
        self._parking = parking or NoParking()
        self._gate = gate or NoGate()

    def position(self) -> Position:
        """The current position, to be taken before the caches are read."""
        return self._coalescer.position()

    async def answer(self, batch: Batch, position: Position) -> None:
        """Publishes an answer to every question that has none. Safe to repeat: answered ones are skipped."""
        todo = await self._lookup.exact(batch)
        todo = await self._lookup.similar(todo)
        batch.looked_up()

        async def ask(todo: list[OpenQuestion]) -> None:
            todo = await self._parking.park(todo)
            await self._lead_or_follow.answer(todo, position)

        await self._gate.before(ask, todo)

    async def condemn(self, batch: Batch, failure: Failure) -> None:
        """Fails every unanswered question and, for a while, all similar ones, because workers died of them."""
        todo = await self._lookup.exact(batch)
        todo = await self._lookup.similar(todo, lane=INTERACTIVE)  # slow servers must not keep them alive
        await self._lead_or_follow.condemn(todo, failure)

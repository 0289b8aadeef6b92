"""A turn at the LLM: one of this worker's slots, and a share of the provider's budget, which all workers share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from askonce.question import Question
from askonce_worker.answering.llm_slots import LLMSlots, Slot
from askonce_worker.answering.ports import Budget, Reservation
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.queue.flow import Flow


class LLMTurns:
    def __init__(self, slots: LLMSlots, budget: Budget, stage: Stage = unobserved) -> None:
        self._slots = slots
        self._budget = budget
        self._stage = stage

    @asynccontextmanager
    async def __call__(self, question: Question, lane: str) -> AsyncIterator[Reservation]:
        """Waits for a turn and holds it inside the block.

        Of the questions of one model and lane, only the one at the head of the line asks for budget: each worker sends
        one request to Redis, however many questions wait, and none overtakes another. The reservation is returned at
        the end unless it was spent.
        """
        reservation = self._budget(question, lane)
        scope = question.scope if lane == "bulk" else ""  # who waits for an answer is not overtaken
        slot = self._slots.slot(Flow(lane, question.namespace or "", question.model or ""), scope)
        try:
            with self._stage("turn"):
                await _enter(slot, reservation)
            yield reservation
        finally:
            slot.leave_line()
            slot.release()
            reservation.give_back()


async def _enter(slot: Slot, reservation: Reservation) -> None:
    """Takes budget while it holds a slot, so that it is used at once; waits for budget without one.

    Who waits for what his namespace alone lacks leaves the line, too: others of the model may go first.
    """
    await slot.acquire()
    while wait := await reservation.take():
        if reservation.waits_alone():
            slot.leave_line()
        slot.release()
        await asyncio.sleep(wait)
        await slot.acquire()
    slot.leave_line()

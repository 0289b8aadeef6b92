"""An LLM turn: one of this worker's slots, and a share of the provider's budget, which all workers share."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from askonce.question import Question
from askonce_worker.answering.llm_slots import LLMSlots, Slot
from askonce_worker.answering.ports import Budget, Reservation
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.queue.flow import Flow


class Turn:
    """A slot, and the reservation for the calls made in it."""

    def __init__(self, slot: Slot, reservation: Reservation) -> None:
        self._slot = slot
        self._reservation = reservation
        self._is_over = False

    async def enter(self) -> None:
        """Takes budget while holding a slot, so that it is used at once; waits for budget without one.

        A question waiting for its own namespace's budget also leaves the line, so that others of the model may go
        first.
        """
        await self._slot.acquire()
        while not self._is_over and (wait := await self._reservation.take()):
            if self._reservation.waits_alone():
                self._slot.leave_line()
            self._slot.release()
            await asyncio.sleep(wait)
            await self._slot.acquire()
        self._slot.leave_line()

    async def again(self, *, joined: bool = False) -> None:
        """Waits until the same call may be retried: holding the slot for the provider's limits, which takes at most a
        minute, and without it for the namespace's own budget, which may take hours.

        Texts to embed share a request, which may outlive the turn in which this is awaited. joined: another turn
        waits for their common request, which needs one slot.
        """
        if joined:
            self._slot.release()
            return
        self._reservation.renew()
        while wait := await self._reservation.take():
            if self._reservation.waits_alone():
                self._slot.release()
            await asyncio.sleep(wait)
            if not self._slot.held and not self._is_over:
                break
        if self._is_over:
            self.leave()
        elif not self._slot.held:
            await self.enter()

    def spent(self, usage: Mapping[str, Any] | None = None) -> None:
        """Report the actual usage to its reservation."""
        self._reservation.spent(usage)

    def leave(self) -> None:
        """Returns what it holds, except what is spent."""
        self._is_over = True
        self._slot.leave_line()
        self._slot.release()
        self._reservation.give_back()


class LLMTurns:
    def __init__(self, slots: LLMSlots, budget: Budget, stage: Stage = unobserved) -> None:
        self._slots = slots
        self._budget = budget
        self._stage = stage

    @asynccontextmanager
    async def __call__(self, question: Question, lane: str) -> AsyncIterator[Turn]:
        """Waits for a turn and holds it inside the block.

        Among the questions of one model and lane, only the head of the line asks for budget: each worker sends one
        request to Redis, however many questions wait, and none overtakes another. The reservation is returned at the
        end unless it was spent.
        """
        scope = question.scope if lane == "bulk" else ""  # callers waiting for an answer are not overtaken
        slot = self._slots.slot(Flow(lane, question.namespace or "", question.model or ""), scope)
        turn = Turn(slot, self._budget(question, lane))
        try:
            with self._stage("turn"):
                await turn.enter()
            yield turn
        finally:
            turn.leave()

"""A place at the LLM: one of this worker's slots, and a share of the provider's budget, which all workers share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from askonce.question import Question
from askonce_worker.answering.ports import Budget, Reservation, Slots
from askonce_worker.answering.stages import Stage, unobserved


class Places:
    def __init__(self, slots: Slots, budget: Budget, stage: Stage = unobserved) -> None:
        self._slots = slots
        self._budget = budget
        self._stage = stage
        self._turns: WeakValueDictionary[tuple[str | None, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, question: Question, lane: str) -> AsyncIterator[Reservation]:
        """Held while inside. The reservation is given back at the end, unless it was spent.

        Of the questions of one model and lane only the first in line asks for budget: Redis hears from each worker
        once, however many wait, and nobody overtakes.
        """
        reservation = self._budget(question, lane)
        turn = self._turns.setdefault((question.model, lane), asyncio.Lock())
        async with AsyncExitStack() as place:
            place.callback(reservation.give_back)
            with self._stage("place"):
                async with turn:
                    await self._enter(place, reservation, lane)
            yield reservation

    async def _enter(self, place: AsyncExitStack, reservation: Reservation, lane: str) -> None:
        """Budget is taken in a slot, so that what is taken is used at once; it is not waited for in one."""
        while True:
            async with AsyncExitStack() as slot:
                await slot.enter_async_context(self._slots(lane))
                wait = await reservation.take()
                if not wait:
                    place.push_async_exit(slot.pop_all())
                    return
            await asyncio.sleep(wait)

"""`Client.submit_many`: a stream of questions into the queue, the next ones packed while the last ones are sent."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import suppress

from askonce.errors import InvalidQuestion, NotAccepted, QueueFull
from askonce.question import Question
from askonce.session.backend import Backend, Lane
from askonce.session.iteration import batched, batches
from askonce.session.job_queue import Outcome, new_job_ids

Item = Question | str
Fill = Callable[[Item, str | None], Question]
"""An item with the client's defaults, and with this job id if it has none."""

UNDER_WAY = 2
"""Round trips at a time."""
QUESTIONS = 512
"""In one round trip."""


async def submit_many(
    backend: Backend,
    questions: Iterable[Item] | AsyncIterable[Item],
    *,
    fill: Fill,
    lane: Lane,
    timeout: float,
) -> list[str]:
    """Job ids in order. A list is checked whole before anything is written, a stream part by part."""
    listed = isinstance(questions, Sequence)
    if isinstance(questions, Sequence):
        for part in batched(questions, QUESTIONS):
            for item in part:
                fill(item, None).check()
            await asyncio.sleep(0)
    bulk, taken = Bulk(backend, lane, timeout), 0
    try:
        async for batch in batches(questions, QUESTIONS):
            taken += len(batch)
            filled = list(map(fill, batch, new_job_ids(len(batch))))
            if not listed:
                for question in filled:
                    question.check()
            await bulk.put(filled)
        await bulk.finish()
    except NotAccepted as error:
        await bulk.conclude()
        rest = questions[taken:] if isinstance(questions, Sequence) else ()
        error.accepted = bulk.job_ids
        error.refused = [*bulk.refused, *map(fill, rest, new_job_ids(len(rest)))]
        raise
    finally:
        bulk.abandon()
    return bulk.job_ids


class Bulk:
    def __init__(self, backend: Backend, lane: Lane, timeout: float) -> None:
        self._backend = backend
        self._lane: Lane = lane
        self._timeout = timeout
        self._under_way: deque[tuple[list[Question], asyncio.Task[list[Outcome]]]] = deque()
        self.job_ids: list[str] = []
        self.refused: list[Question] = []

    async def put(self, questions: list[Question]) -> None:
        """Raises the error of an earlier one."""
        if len(self._under_way) == UNDER_WAY:
            try:
                await self._settle()
            except NotAccepted:
                self.refused += questions
                raise
        put = self._backend.put(questions, self._lane, self._timeout, listen=False)
        self._under_way.append((questions, asyncio.create_task(put)))
        await asyncio.sleep(0)  # it is sent before the next ones are packed

    async def finish(self) -> None:
        while self._under_way:
            await self._settle()

    async def conclude(self) -> None:
        """Settles those under way, after one was refused."""
        while self._under_way:
            with suppress(NotAccepted):
                await self._settle()

    def abandon(self) -> None:
        for _, task in self._under_way:
            task.cancel()

    async def _settle(self) -> None:
        questions, task = self._under_way.popleft()
        try:
            outcomes = await task
        except NotAccepted:
            self.refused += questions
            raise
        error = self._note(questions, outcomes)
        if error is not None:
            raise error

    def _note(self, questions: list[Question], outcomes: list[Outcome]) -> InvalidQuestion | QueueFull | None:
        first = None
        for question, error in zip(questions, outcomes, strict=True):
            if error is None:
                self.job_ids.append(question.job_id or "")
            elif isinstance(error, QueueFull):
                self.refused.append(question)
            first = first or error
        return first

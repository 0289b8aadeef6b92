"""The gate before the LLM: a judge may accept a match whose score is too low for a hit. Other questions continue
meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from askonce_worker.answering.answers import similar
from askonce_worker.answering.lookup import Lookup
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Clock, Outbound
from askonce_worker.answering.serving import Choice, Hit

MOST_WAITING = 8.0
"""Seconds that a question waits for the judge, or half of its remaining time if that is less. Then the LLM is asked."""

Ask = Callable[[list[OpenQuestion]], Awaitable[None]]


class Admission(Protocol):
    async def admit(self, items: Sequence[OpenQuestion], *, within: float) -> list[Choice | None]:
        """For each of these, which share a namespace, the match that answers it or must be checked; None if it is not
        accepted. Never fails, and waits for at most this many seconds."""
        ...

    def served(self, item: OpenQuestion, hit: Hit) -> None:
        """Called for each question answered this way."""
        ...


class Gate(Protocol):
    async def before(self, ask: Ask, todo: list[OpenQuestion]) -> None:
        """Answers questions with accepted matches, and calls `ask` with the rest."""
        ...


class NoGate:
    async def before(self, ask: Ask, todo: list[OpenQuestion]) -> None:
        await ask(todo)


class JudgedMatches:
    def __init__(self, admission: Admission, lookup: Lookup, outbound: Outbound, clock: Clock) -> None:
        self._admission = admission
        self._lookup = lookup
        self._outbound = outbound
        self._clock = clock

    async def before(self, ask: Ask, todo: list[OpenQuestion]) -> None:
        doubtful = [item for item in todo if item.doubt is not None and item.question.cache == "use"]
        if not doubtful:
            await ask(todo)
            return
        keys = {item.key for item in doubtful}
        others = ask([item for item in todo if item.key not in keys])
        outcomes = await asyncio.gather(others, self._judged(ask, doubtful), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _judged(self, ask: Ask, items: list[OpenQuestion]) -> None:
        left = (items[0].deadline - self._clock.now_ms()) / 1000
        choices = await self._admission.admit(items, within=max(0.0, min(MOST_WAITING, left / 2)))
        admitted = zip(items, choices, strict=True)
        served = await asyncio.gather(*(self._served(item, choice) for item, choice in admitted))
        await ask([item for item, is_served in zip(items, served, strict=True) if not is_served])

    async def _served(self, item: OpenQuestion, choice: Choice | None) -> bool:
        """Whether the question no longer needs an answer. Meanwhile, its match may have been invalidated or reported,
        or the same may have been asked elsewhere."""
        if choice is None:
            return False
        hit = choice.hit or choice.spare
        if await self._lookup.look_again(item, similar=False):
            return True
        if hit is None or not await self._lookup.stands(item.question, hit):
            return False
        item.look, item.spare = choice.look, choice.spare
        if choice.hit is None:
            return False
        await self._outbound.send(similar(item, choice.hit))
        self._admission.served(item, choice.hit)
        return True

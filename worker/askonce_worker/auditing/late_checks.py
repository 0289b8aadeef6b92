"""Late checks: hits are served at once, and the LLM is asked afterwards, in the background.

They take turns like bulk questions, few at a time. They are dropped if too many wait, and when the worker stops.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Protocol

import structlog

from askonce.contract.completion import CompletionVerdict, verdict
from askonce.question import Question, Tier
from askonce.store.away import TROUBLE
from askonce.tasks import stop
from askonce_worker.answering.llm_turns import Turn
from askonce_worker.answering.ports import LLM, Clock, Completion, LLMError, NewEntry, Outbound
from askonce_worker.answering.tiers import tier_of
from askonce_worker.audit.looks import Look

log = structlog.get_logger()

AT_ONCE = 2
MOST = 64
"""Maximum checks waiting or in flight."""
TIMEOUT = 120.0
"""Seconds from the answer on."""

Told = Callable[[Completion | None], None]


class Turns(Protocol):
    def __call__(self, question: Question, lane: str) -> AbstractAsyncContextManager[Turn]: ...


class LateChecks:
    """tier: how bulk questions are paid."""

    def __init__(self, turns: Turns, llm: LLM, outbound: Outbound, clock: Clock, *, tier: Tier) -> None:
        self._turns = turns
        self._llm = llm
        self._outbound = outbound
        self._clock = clock
        self._tier = tier
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[tuple[str, str], list[Told]] = {}

    def check(self, question: Question, look: Look, told: Told) -> None:
        """told: called with the LLM's answer, or None if it is not asked after all."""
        same = self._under_way.get((question.fingerprint, look.entry))
        if same is not None:  # asked once for all
            same.append(told)
            return
        if len(self._tasks) >= MOST:
            told(None)
            return
        self._under_way[question.fingerprint, look.entry] = [told]
        # In its own context, because answers published here belong to no chunk.
        task = asyncio.create_task(self._check(question, look), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        await stop(*self._tasks)

    async def _check(self, question: Question, look: Look) -> None:
        completion, asked = None, 0
        try:
            async with asyncio.timeout(TIMEOUT), self._slots, self._turns(question, "bulk") as turn:
                asked = self._clock.now_ms()
                completion = await self._ask(question, turn)
        except (LLMError, TimeoutError) as error:
            log.debug("audit.not_checked", error=type(error).__name__)
        finally:
            for told in self._under_way.pop((question.fingerprint, look.entry)):
                told(completion)
        if completion is not None:
            await self._keep(question, look, completion, asked)

    async def _ask(self, question: Question, turn: Turn) -> Completion:
        turn.spent()
        tier = tier_of(question, "bulk", self._tier)
        completion = await self._llm.complete(question, timeout=TIMEOUT, tier=tier, again=turn.again)
        turn.spent(completion.body.get("usage"))
        return completion

    async def _keep(self, question: Question, look: Look, completion: Completion, asked: int) -> None:
        """Caches the answer, because it was paid for, unless a later one exists. A scorer can also learn from its
        vector."""
        if verdict(completion.body) is not CompletionVerdict.GOOD:
            return
        try:
            entry = NewEntry(question, completion.body, look.epochs, look.question, semantic=True, asked_ms=asked)
            await self._outbound.send([], entries=[entry])
        except TROUBLE as error:
            log.warning("audit.not_kept", error=type(error).__name__)

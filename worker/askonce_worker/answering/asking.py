"""Asks the LLM one question, as a leader for its followers or alone, and stores and publishes the outcome."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from askonce.contract.completion import CompletionVerdict, verdict
from askonce_worker.answering.answers import INVALID, Failure, failed, failure_of, for_others, from_llm, similar
from askonce_worker.answering.coalescing import Coalescer, Lead, Settlement
from askonce_worker.answering.llm_turns import LLMTurns, Turn
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import LLM, MORE, Clock, Completion, LLMError, NewEntry, Outbound
from askonce_worker.answering.stages import Stage, unobserved

log = structlog.get_logger()

REUSABLE = 120.0
"""Seconds for which a newly stored answer can be joined until its vector is found in Qdrant: longer than a slow Qdrant
takes to store a batch."""

Settle = Sequence[Any]
Stands = Callable[[OpenQuestion], Awaitable[bool]]


class Asking:
    def __init__(
        self,
        *,
        clock: Clock,
        coalescer: Coalescer,
        turns: LLMTurns,
        llm: LLM,
        outbound: Outbound,
        spare_stands: Stands,
        cached_for: float = REUSABLE,
        stage: Stage = unobserved,
    ) -> None:
        """spare_stands: whether a question's spare may still answer it.

        cached_for: seconds for which an answer is cached, unless its question says otherwise."""
        self._clock = clock
        self._coalescer = coalescer
        self._turns = turns
        self._llm = llm
        self._outbound = outbound
        self._spare_stands = spare_stands
        self._cached_for = cached_for
        self._stage = stage

    def seconds_left(self, item: OpenQuestion) -> float:
        """Seconds until its deadline."""
        return max(0.0, (item.deadline - self._clock.now_ms()) / 1000)

    async def lead(self, item: OpenQuestion, lead: Lead, turn: Turn) -> None:
        try:
            await self._ask_and_settle(item, lead, turn)
        except BaseException:
            # Cancelled, out of time, or our own fault. None of this concerns its followers: one of them asks instead.
            self._coalescer.abandon(lead)
            raise

    async def ask_alone(self, item: OpenQuestion) -> None:
        """Asks without leading or following: for `bypass`, and followers whose leader's outcome is not for others."""
        async with self._turns(item.question, item.lane) as turn:
            try:
                completion = await self._complete(item, turn)
            except LLMError as error:
                await self.publish_failed(item, failure_of(error))
                return
        await self._outbound.send(from_llm(item, completion), entries=_kept(item, completion))

    def condemning(self, lead: Lead, failure: Failure) -> Settle:
        """Arguments that settle a leader so that similar questions asked before also fail, however late they are
        processed. One asked afterwards, such as by a replay, is tried again."""
        return self._coalescer.settling(lead, Settlement.SHARED, failure, reusable=-REUSABLE)

    async def publish_failed(self, item: OpenQuestion, failure: Failure, *, settle: Settle = ()) -> None:
        log.debug("question.failed", kind=failure["error"]["kind"], status=failure["error"].get("status"))
        if await self.serve_spare(item, settle=settle):
            return
        copies = [failed(each, item.lane, for_others(failure)) for each in item.copies]
        await self._outbound.send([failed(item.question, item.lane, failure), *copies], settle=settle)

    async def serve_spare(self, item: OpenQuestion, *, settle: Settle = ()) -> bool:
        """Answers a question that was only asked to check a hit with that hit, if it is still valid."""
        if item.spare is None or not await self._spare_stands(item):
            return False
        await self._outbound.send(similar(item, item.spare), settle=settle)
        return True

    async def _ask_and_settle(self, item: OpenQuestion, lead: Lead, turn: Turn) -> None:
        try:
            completion = await self._complete(item, turn)
        except LLMError as error:
            settlement = Settlement.PERMANENT if error.final and not error.own else Settlement.TRANSIENT
            failure = failure_of(error)
            settle = self._coalescer.settling(lead, settlement, None if error.own else for_others(failure))
            await self.publish_failed(item, failure, settle=settle)
        else:
            await self._deliver(item, lead, completion)

    async def _complete(self, item: OpenQuestion, turn: Turn) -> Completion:
        turn.spent()
        item.called = self._clock.now_ms()
        with self._stage("llm", model=item.question.model or ""):
            timeout = self.seconds_left(item) + MORE
            try:
                completion = await self._llm.complete(item.question, timeout=timeout, tier=item.tier, again=turn.again)
            except LLMError as error:
                if error.kind == INVALID:  # its tokens are used anyway
                    turn.spent(error.body.get("usage"))
                raise
        turn.spent(completion.body.get("usage"))
        return completion

    async def _deliver(self, item: OpenQuestion, lead: Lead, completion: Completion) -> None:
        refused = verdict(completion.body) is CompletionVerdict.REFUSED
        entries = _kept(item, completion)
        reusable = min(REUSABLE, item.question.ttl or self._cached_for) if entries else 0.0
        settlement = Settlement.SAME_ONLY if refused else Settlement.SHARED
        await self._outbound.send(
            from_llm(item, completion),
            entries=entries,
            settle=self._coalescer.settling(lead, settlement, completion.body, reusable=reusable),
        )


def _kept(item: OpenQuestion, completion: Completion) -> list[NewEntry]:
    """The entry to cache: a good answer to a question whose answers are cached."""
    if not item.reuse.kept or verdict(completion.body) is not CompletionVerdict.GOOD:
        return []
    return [NewEntry(item.question, completion.body, item.began, item.vector, item.reuse.semantic, item.called)]

"""The last step for questions that no cache answers: lead, follow, or ask alone, until the deadline."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from askonce.replies.shapes import is_reply
from askonce_worker.answering.answers import EXPIRED, INVALID, Failure, from_leader
from askonce_worker.answering.asking import Asking
from askonce_worker.answering.coalescing import AskYourself, Coalescer, Follow, Freed, Lead, Position, Stale
from askonce_worker.answering.llm_turns import LLMTurns
from askonce_worker.answering.lookup import NOT_IN_TIME, Lookup
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Outbound
from askonce_worker.answering.schema_check import CheckSchema, unchecked
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.queue.leased_job import Suspicious
from askonce_worker.queue.tries import SUSPECT_AFTER

MOST_FAILURES = 4
"""Leaders that may fail a question, each after all retries, before it fails too."""


MOST_CHECKING = 30.0
"""Seconds that a hit waits for its check, including turn and tries, before it is served."""


class LeadOrFollow:
    """takeovers: how often a follower asked in place of its failed leader."""

    def __init__(
        self,
        *,
        lookup: Lookup,
        coalescer: Coalescer,
        turns: LLMTurns,
        asking: Asking,
        outbound: Outbound,
        check_schema: CheckSchema = unchecked,
        stage: Stage = unobserved,
    ) -> None:
        self.takeovers = 0
        self._check_schema = check_schema
        self._lookup = lookup
        self._coalescer = coalescer
        self._turns = turns
        self._asking = asking
        self._outbound = outbound
        self._stage = stage

    async def answer(self, todo: Sequence[OpenQuestion], position: Position) -> None:
        """Questions that match one in flight follow it at once; the rest wait for an LLM turn."""
        if not todo:
            return
        joined = self._coalescer.join([item.ask() for item in todo])
        if any(joined) and await self._lookup.is_outdated(todo):
            joined = self._coalescer.join([item.ask() for item in todo])
        outcomes = await asyncio.gather(
            *(self._until_answered(item, follow, position) for item, follow in zip(todo, joined, strict=True)),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def condemn(self, todo: Sequence[OpenQuestion], failure: Failure) -> None:
        """Fails these questions and, for a while, all similar ones."""
        for item in todo:
            lead = await self._lead_or_answer(item)
            if lead is not None:
                await self._asking.publish_failed(item, failure, settle=self._asking.condemning(lead, failure))

    async def _lead_or_answer(self, item: OpenQuestion) -> Lead | None:
        """Tries without a turn. A leader whose worker has just died must lapse first. None: it is answered after
        all."""
        while True:
            claim = await self._coalescer.claim(item.ask(), self._coalescer.position())
            if isinstance(claim, Lead):
                return claim
            if isinstance(claim, Follow) and await self._followed(item, claim) is None:
                return None

    async def _until_answered(self, item: OpenQuestion, follow: Follow | None, position: Position) -> None:
        """Publishes an answer, a failed one at the deadline at the latest. Runs in its own task."""
        structlog.contextvars.bind_contextvars(job=item.question.job_id)
        try:
            async with asyncio.timeout(self._asking.seconds_left(item)) as limit:
                if item.question.cache == "bypass":
                    await self._asking.ask_alone(item)
                elif item.spare is None:
                    await self._take_turns(item, follow, position)
                elif not await self._checked(item, follow, position):
                    await self._take_turns(item, None, position)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._asking.publish_failed(item, EXPIRED)

    async def _checked(self, item: OpenQuestion, follow: Follow | None, position: Position) -> bool:
        """False if the check was late and the hit is no longer valid: the question is asked like any other."""
        try:
            async with asyncio.timeout(MOST_CHECKING) as limit:
                await self._take_turns(item, follow, position)
                return True
        except TimeoutError:
            if not limit.expired():
                raise
        return await self._asking.serve_spare(item)

    async def _take_turns(self, item: OpenQuestion, follow: Follow | None, position: Position) -> None:
        """Follows, and claims again if a leader fails: however many wait, one at a time asks.

        A provider that is down fails one leader after another. After some of them, the rest need not try. A question
        over which workers died does not take over in this process, where other jobs run. (Lapses of its own job do not
        count: the leader it finds may be its own earlier one, and that would count one death twice.)
        """
        failures = lapses = 0
        while True:
            if follow is not None:
                freed = await self._followed(item, follow)
                if freed is None:
                    return
                failures += freed.failure is not None
                lapses += freed.lapses
                if freed.failure is not None and failures >= MOST_FAILURES:
                    await self._asking.publish_failed(item, freed.failure)
                    return
                position = self._coalescer.position()
                if await self._lookup.look_again(item):
                    return
                if item.lapses < SUSPECT_AFTER <= lapses:
                    raise Suspicious("workers died over a question like it")
            took_over = follow is not None
            follow = await self._claim_and_ask(item, position)
            if follow is None:
                self.takeovers += took_over
                return

    async def _claim_and_ask(self, item: OpenQuestion, position: Position) -> Follow | None:
        """Leads unless something similar is being asked; a follower returns its LLM turn at once.

        A question may wait so long for its turn that the view no longer knows everything that ended meanwhile. Then it
        reads the caches again. It does not wait for a slow server during a turn, which others could use: it returns the
        turn and takes another one afterwards. If that happens again, the exact cache is enough; otherwise a slow Qdrant
        would keep it looking for ever.
        """
        claim = await self._claim_in_turn(item, position)
        if isinstance(claim, Stale):
            position = self._coalescer.position()
            if await self._lookup.look_again(item):
                return None
            claim = await self._claim_in_turn(item, position, exact_only=True)
        assert not isinstance(claim, Stale)
        return claim

    async def _claim_in_turn(
        self, item: OpenQuestion, position: Position, *, exact_only: bool = False
    ) -> Follow | Stale | None:
        """None: it is answered. Stale: a server is too slow to wait for in a turn; not with exact_only."""
        async with self._turns(item.question, item.lane) as turn:
            while True:
                with self._stage("claim"):
                    claim = await self._coalescer.claim(item.ask(), position)
                if isinstance(claim, Follow) and await self._lookup.is_outdated([item]):
                    continue
                if not isinstance(claim, Stale):
                    break
                position = self._coalescer.position()
                if await self._lookup.look_again(item, in_turn=True, similar=not exact_only):
                    return None
                if not exact_only and item.unmatched in NOT_IN_TIME:
                    return claim
                exact_only = True
            if isinstance(claim, Lead):
                await self._asking.lead(item, claim, turn)
                return None
        return claim

    async def _followed(self, item: OpenQuestion, follow: Follow) -> Freed | None:
        """Waits for the leader. None: it is answered, or has failed."""
        with self._stage("follow"):
            outcome = await self._coalescer.wait(follow)
        if isinstance(outcome, Freed):
            return outcome
        if isinstance(outcome, AskYourself):
            await self._asking.ask_alone(item)
        elif not self._is_for(item, outcome.body):
            item.avoids |= {follow.leader}  # otherwise it would be found again for as long as its answer may be joined
            return Freed()
        elif is_reply(outcome.body):
            await self._outbound.send(from_leader(item, outcome.body, follow))
        else:
            await self._asking.publish_failed(item, outcome.body)
        return None

    def _is_for(self, item: OpenQuestion, body: dict[str, Any]) -> bool:
        """Whether a leader's outcome is an answer to this question too, of which alone it may be that it has to fit a
        schema; or of the leader's alone: then it may have failed for that."""
        if is_reply(body):
            return self._check_schema(item.question, body) is None
        return item.question.schema is not None or body["error"]["kind"] != INVALID

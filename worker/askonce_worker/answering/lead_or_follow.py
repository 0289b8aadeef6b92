"""The last step of a question that no cache answers: lead, follow, or ask alone, until its deadline."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from askonce.answer import Answer, AnswerError
from askonce.contract.completion import CompletionVerdict, verdict
from askonce.question import Question
from askonce_worker.answering.coalescing import (
    AskYourself,
    Coalescer,
    Follow,
    Freed,
    Lead,
    Position,
    Settlement,
    Shared,
    Stale,
)
from askonce_worker.answering.llm_turns import Places
from askonce_worker.answering.open_question import Caches, OpenQuestion
from askonce_worker.answering.ports import LLM, Clock, Completion, Finished, LLMError, NewEntry, Outbound, Reservation
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.matching.match import Matcher

log = structlog.get_logger()

ROUNDS = 4
"""How often a question claims. In the last one it leads, whoever else asks the same: leaders may come to nothing."""

REUSABLE = 30.0
"""Seconds for which an answer that has just been stored bridges the time until its vector is found in Qdrant."""

EXPIRED = {"error": {"kind": "expired", "message": "the question's deadline passed before it was answered"}}

Failure = dict[str, Any]
Settle = Callable[[Any], None]


class Asking:
    """takeovers: how often a follower asked in the place of its leader, which had come to nothing."""

    def __init__(
        self,
        *,
        clock: Clock,
        matcher: Matcher,
        coalescer: Coalescer,
        places: Places,
        llm: LLM,
        outbound: Outbound,
        stage: Stage = unobserved,
    ) -> None:
        self.takeovers = 0
        self._clock = clock
        self._matcher = matcher
        self._coalescer = coalescer
        self._places = places
        self._llm = llm
        self._outbound = outbound
        self._stage = stage

    async def until_answered(
        self, item: OpenQuestion, follow: Follow | None, position: Position, caches: Caches
    ) -> None:
        """Publishes an answer of some kind: at the latest, at the deadline, a failed one. In a task of its own."""
        structlog.contextvars.bind_contextvars(job=item.question.job_id)
        try:
            async with asyncio.timeout(self._seconds_left(item)) as limit:
                if item.question.cache == "bypass":
                    await self._ask_alone(item)
                else:
                    await self._lead_or_follow(item, follow, position, caches)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._publish_failed(item, EXPIRED)

    def _seconds_left(self, item: OpenQuestion) -> float:
        """Until its deadline. The LLM gets a second more, so that it is the deadline that ends it, under its name."""
        return max(0.0, (item.deadline - self._clock.now_ms()) / 1000)

    async def _lead_or_follow(
        self, item: OpenQuestion, follow: Follow | None, position: Position, caches: Caches
    ) -> None:
        """Follows while it may; the last turn leads whoever else asks the same."""
        for turn in range(ROUNDS):
            if follow is not None:
                if await self._followed(item, follow):
                    return
                position = self._coalescer.position()
                if await caches.look_again(item):
                    return
            freed = follow is not None
            follow = await self._claim_and_ask(item, position, caches, may_follow=turn < ROUNDS - 1)
            if follow is None:
                self.takeovers += freed
                return

    async def _claim_and_ask(
        self, item: OpenQuestion, position: Position, caches: Caches, *, may_follow: bool
    ) -> Follow | None:
        """Leads where nothing alike is being asked; a follower gives its place at the LLM back at once.

        Who has waited so long for the place that not all is known any more of what has ended meanwhile looks into the
        caches again, and keeps the place.
        """
        async with self._places(item.question, item.lane) as place:
            while True:
                with self._stage("claim"):
                    claim = await self._coalescer.claim(item.ask(self._matcher, may_follow=may_follow), position)
                if isinstance(claim, Follow) and await caches.is_outdated([item]):
                    continue
                if not isinstance(claim, Stale):
                    break
                position = self._coalescer.position()
                if await caches.look_again(item):
                    return None
            if isinstance(claim, Lead):
                await self._lead(item, claim, place)
                return None
        return claim

    async def _lead(self, item: OpenQuestion, lead: Lead, place: Reservation) -> None:
        try:
            await self._ask_and_settle(item, lead, place)
        except BaseException:
            # Cancelled, out of time, or a fault of ours: its followers are not, and one of them asks in its place.
            self._coalescer.abandon(lead)
            raise

    async def _ask_and_settle(self, item: OpenQuestion, lead: Lead, place: Reservation) -> None:
        try:
            completion = await self._complete(item, place)
        except LLMError as error:
            settlement = Settlement.PERMANENT if error.final else Settlement.TRANSIENT
            settle = self._coalescer.settling(lead, settlement, _failure(error))
            await self._publish_failed(item, _failure(error), settle=settle)
        else:
            await self._deliver(item, lead, completion)

    async def _complete(self, item: OpenQuestion, place: Reservation) -> Completion:
        place.spent()
        timeout = self._seconds_left(item) + 1
        with self._stage("llm", model=item.question.model or ""):
            completion = await self._llm.complete(item.question, timeout=timeout, again=place.again)
        place.spent(completion.body.get("usage"))
        return completion

    async def _deliver(self, item: OpenQuestion, lead: Lead, completion: Completion) -> None:
        found = verdict(completion.body)
        settlement = Settlement.SAME_ONLY if found is CompletionVerdict.REFUSED else Settlement.SHARED
        entries = self._kept(item, completion)
        reusable = min(REUSABLE, item.question.ttl or REUSABLE) if entries else 0.0
        await self._outbound.send(
            self._answers(item, completion),
            entries=entries,
            settle=self._coalescer.settling(lead, settlement, completion.body, reusable=reusable),
        )

    def _kept(self, item: OpenQuestion, completion: Completion) -> list[NewEntry]:
        """What goes into the cache: a good answer, to a question whose answers are kept."""
        if not self._matcher.is_kept(item.question) or verdict(completion.body) is not CompletionVerdict.GOOD:
            return []
        semantic = self._matcher.is_semantic(item.question)
        return [NewEntry(item.question, completion.body, item.began, item.vector, semantic)]

    async def _ask_alone(self, item: OpenQuestion) -> None:
        """Neither leads nor follows: `bypass`, and who waited for an outcome that is not for others."""
        async with self._places(item.question, item.lane) as place:
            try:
                completion = await self._complete(item, place)
            except LLMError as error:
                await self._publish_failed(item, _failure(error))
                return
        await self._outbound.send(self._answers(item, completion), entries=self._kept(item, completion))

    async def _followed(self, item: OpenQuestion, follow: Follow) -> bool:
        """Waits for the leader. False: it came to nothing that this question may have."""
        with self._stage("follow"):
            outcome = await self._coalescer.wait(follow)
        if isinstance(outcome, Shared):
            if "choices" not in outcome.body:
                await self._publish_failed(item, outcome.body)
            else:
                answers = [_joined(question, item.lane, outcome.body, follow) for question in item.all()]
                await self._outbound.send(answers)
            return True
        if isinstance(outcome, AskYourself):
            await self._ask_alone(item)
            return True
        assert isinstance(outcome, Freed)
        return False

    def _answers(self, item: OpenQuestion, completion: Completion) -> list[Finished]:
        question, body = item.question, completion.body
        model = body.get("model") or question.model
        own = Answer(question.job_id, "answered", "llm", model=model, metadata=question.metadata, body=body)
        same = Follow(leader="", text=question.text, similarity=1.0, same=True)
        copies = [_joined(copy, item.lane, body, same) for copy in item.copies]
        return [Finished(question, own, lane=item.lane), *copies]

    async def _publish_failed(self, item: OpenQuestion, failure: Failure, *, settle: Settle | None = None) -> None:
        error = AnswerError(**failure["error"])
        log.debug("question.failed", kind=error.kind, status=error.status)
        failed = [
            Answer(question.job_id, "failed", error=error, metadata=question.metadata, body=failure.get("body"))
            for question in item.all()
        ]
        await self._outbound.send(
            [Finished(question, answer, lane=item.lane) for question, answer in zip(item.all(), failed, strict=True)],
            settle=settle,
        )


def _joined(question: Question, lane: str, body: dict[str, Any], follow: Follow) -> Finished:
    answer = Answer(
        job_id=question.job_id,
        status="answered",
        source="inflight",
        similarity=follow.similarity,
        matched_question=follow.text,
        model=body.get("model") or question.model,
        metadata=question.metadata,
        body=body,
    )
    return Finished(question, answer, lane=lane)


def _failure(error: LLMError) -> Failure:
    """As followers of the same question read it, too."""
    body = error.body if isinstance(error.body, dict) else None
    return {"error": {"kind": error.kind, "message": error.message, "status": error.status}, "body": body}

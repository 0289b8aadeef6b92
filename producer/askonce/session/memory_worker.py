"""The worker and cache of `memory`: how questions are answered there."""

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from askonce.answer import Answer, AnswerError, ErrorKind
from askonce.contract.completion import CompletionVerdict, fault, reply_around, verdict
from askonce.contract.keys import epoch_fields
from askonce.explanation import Explanation
from askonce.question import Question
from askonce.replies.shapes import NAMES, shape_of
from askonce.session.memory_entries import CachedAnswer, Epochs, explained
from askonce.session.memory_schema import fitted

Said = str | Mapping[str, Any] | Answer
Answering = Callable[[Question], Said | Awaitable[Said]]

TRANSIENT: frozenset[ErrorKind] = frozenset({"connection", "expired", "rate_limit", "server_error", "timeout"})
"""Failures that a follower does not share: it asks again."""

Call = tuple[asyncio.AbstractEventLoop, str, Epochs]
"""Shared by equal questions: a fingerprint and its epochs, in one event loop."""


@dataclass(frozen=True, slots=True)
class LiveLeader:
    text: str
    outcome: "asyncio.Future[Answer]"


class MemoryWorker:
    """asked: the questions that no cache answered, in order. cache_ttl: seconds."""

    def __init__(self, answering: Answering, cache_ttl: float) -> None:
        self.asked: list[Question] = []
        self._answering = answering
        self._cache_ttl = cache_ttl
        self._entries: dict[str, CachedAnswer] = {}
        self._epochs: Counter[str] = Counter()
        self._leaders: dict[Call, LiveLeader] = {}

    async def answer(self, question: Question, seconds: float) -> Answer:
        """seconds: until the question's deadline."""
        try:
            async with asyncio.timeout(seconds) as limit:
                await asyncio.sleep(0)
                cached = self.cached(question) if question.cache == "use" else None
                return cached or await self._lead_or_follow(question)
        except TimeoutError as error:
            late = "the question's deadline passed before it was answered"
            return failure("expired", late) if limit.expired() else failure("timeout", str(error))

    def cached(self, question: Question) -> Answer | None:
        entry = self._entries.get(question.fingerprint)
        if entry is None or entry.expires <= time.monotonic() or entry.epochs != self._stamp(question):
            return None
        answer = Answer(
            question.job_id,
            "answered",
            source="exact",
            model=entry.body.get("model") or question.model,
            cached_at=entry.created_at,
            metadata=question.metadata,
            body=entry.body,
        )
        return answer if fitted(answer, question).error is None else None

    def store(self, question: Question, body: Mapping[str, Any], ttl: float, asked: float | None = None) -> None:
        """asked: when; an answer that was asked for earlier does not replace a newer one. None: now."""
        now = time.monotonic()
        entry = CachedAnswer(
            question, body, now if asked is None else asked, int(time.time()), now + ttl, self._stamp(question)
        )
        known = self._entries.get(question.fingerprint)
        if known is None or known.asked <= entry.asked:
            self._entries[question.fingerprint] = entry

    def explained(self, question: Question) -> Explanation:
        """A worker's explanation without similarity: only equal questions match here."""
        return explained(question, self._entries, self._stamp(question))

    def drop(self, fingerprint: str) -> bool:
        """Whether there was such an entry."""
        return self._entries.pop(fingerprint, None) is not None

    def invalidate(self, epoch: str) -> None:
        self._epochs[epoch] += 1

    def _stamp(self, question: Question) -> Epochs:
        return tuple(self._epochs[field] for field in epoch_fields(question.namespace or "", question.model or ""))

    async def _lead_or_follow(self, question: Question) -> Answer:
        """Join an equal question in flight, as workers do. `bypass` neither leads nor follows, and `refresh` only
        leads."""
        key = (asyncio.get_running_loop(), question.fingerprint, self._stamp(question))
        if question.cache == "use" and (leader := self._leaders.get(key)) is not None:
            answer = await asyncio.shield(leader.outcome)
            if answer.error is None:
                return replace(answer, source="inflight", similarity=1.0, matched_question=leader.text)
            return await self._lead_or_follow(question) if answer.error.kind in TRANSIENT else answer
        if question.cache == "bypass" or key in self._leaders:
            return await self._ask(question)
        return await self._lead(question, key)

    async def _lead(self, question: Question, key: Call) -> Answer:
        leader = LiveLeader(question.text, asyncio.get_running_loop().create_future())
        self._leaders[key] = leader
        answer = failure("expired", "its leader was given up")
        try:
            answer = await self._ask(question)
        finally:
            del self._leaders[key]
            leader.outcome.set_result(answer)
        return answer

    async def _ask(self, question: Question) -> Answer:
        self.asked.append(question)
        began, epochs = time.monotonic(), self._stamp(question)
        try:
            said = self._answering(question)
            if inspect.isawaitable(said):
                said = await said
        except TimeoutError:
            raise
        except Exception as error:  # noqa: BLE001 - as a provider's error would, it fails this one question
            return failure("server_error", f"{type(error).__name__}: {error}")
        if isinstance(said, Answer):
            return said
        kept = question.cache != "bypass" and epochs == self._stamp(question)
        return self._judged(question, said, began if kept else None)

    def _judged(self, question: Question, said: str | Mapping[str, Any], began: float | None) -> Answer:
        """began: when it was asked; None if the answer may not be kept."""
        try:
            body = reply_around(said, question) if isinstance(said, str) else said
            found, broken_off = verdict(body), fault(body)
            if shape_of(body) != question.endpoint:
                raise ValueError("another endpoint's")
        except (KeyError, TypeError, ValueError, AttributeError):
            return failure("invalid_response", f"what was said is not {NAMES[question.endpoint]}")
        if broken_off is not None:
            return failure("server_error", broken_off)
        answer = Answer(None, "answered", source="llm", model=body.get("model") or question.model, body=body)
        answer = fitted(answer, question)
        if began is not None and found is CompletionVerdict.GOOD and answer.error is None:
            self.store(question, dict(body), question.ttl or self._cache_ttl, began)
        return answer


def failure(kind: ErrorKind, message: str) -> Answer:
    return Answer(None, "failed", error=AnswerError(kind, message))

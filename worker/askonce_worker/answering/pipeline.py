"""The way of a chunk: each question is answered at the lowest cost that is still right.

From the exact cache, from the semantic cache, by joining the same question that is being asked at this moment, and only
then from the LLM. Every answer is published as soon as it is known.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from askonce.answer import Answer, AnswerError
from askonce.question import Question
from askonce_worker.answering.coalescing import Coalescer, Position
from askonce_worker.answering.lead_or_follow import Asking
from askonce_worker.answering.open_question import OpenQuestion, group_same
from askonce_worker.answering.ports import (
    Candidate,
    Clock,
    Embedder,
    Entry,
    ExactCache,
    Finished,
    Outbound,
    SemanticCache,
    SemanticCacheDown,
    VectorQuery,
)
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.matching.match import Matcher

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """The questions of one chunk, and the job they came in. asked, deadline: Unix ms of Redis's clock, for all."""

    questions: Sequence[Question]
    lane: str
    job: str
    asked: int
    deadline: int


class Pipeline:
    def __init__(
        self,
        *,
        clock: Clock,
        exact: ExactCache,
        embedder: Embedder,
        semantic: SemanticCache,
        matcher: Matcher,
        coalescer: Coalescer,
        asking: Asking,
        outbound: Outbound,
        stage: Stage = unobserved,
    ) -> None:
        self._clock = clock
        self._exact_cache = exact
        self._embedder = embedder
        self._semantic_cache = semantic
        self._matcher = matcher
        self._coalescer = coalescer
        self._asking = asking
        self._outbound = outbound
        self._stage = stage

    async def answer(self, batch: Batch) -> None:
        """Publish an answer to every question that has none. Safe to repeat: what was answered is left out."""
        position = self._coalescer.position()
        todo = await self._exact(batch)
        todo = await self._semantic(todo)
        await self._lead_or_follow(todo, position)

    async def _exact(self, batch: Batch) -> list[OpenQuestion]:
        """Leaves out what is answered, past its deadline, in the exact cache, or another job's: one round trip."""
        with self._stage("exact", questions=len(batch.questions)):
            known = await self._exact_cache.look_up(batch.questions, f"{batch.lane}:{batch.job}")
        finished: list[Finished] = []
        todo: list[OpenQuestion] = []
        late = self._clock.now_ms() >= batch.deadline
        for question, found in zip(batch.questions, known, strict=True):
            if not found.pending:
                continue
            if found.entry is not None and self._matcher.is_kept(question):
                finished.append(_hit(question, batch.lane, found.entry))
            elif late:
                finished.append(Finished(question, expired(question), lane=batch.lane))
            else:
                todo.append(OpenQuestion(question, batch.lane, batch.deadline, batch.asked, found.epochs, found.epochs))
        if finished:
            await self._outbound.send(finished)
        return group_same(todo)

    async def _semantic(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        """One embedding each, one batch query for all, one read for the entries of all candidates."""
        similar = [item for item in todo if self._matcher.is_semantic(item.question)]
        if not similar:
            return todo
        with self._stage("embed", questions=len(similar)):
            vectors = await self._embedder.embed([item.question.text for item in similar])
        for item, vector in zip(similar, vectors, strict=True):
            item.vector = vector
        return await self._similar_entries(todo)

    async def _similar_entries(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        searched = [item for item in todo if item.vector is not None and self._may_hit(item)]
        if not searched:
            return todo
        try:
            with self._stage("semantic", questions=len(searched)):
                found = await self._semantic_cache.search([self._query(item) for item in searched])
        except SemanticCacheDown as error:
            log.warning("semantic.down", error=str(error), questions=len(searched))
            return todo
        names = {candidate.fingerprint: None for candidates in found for candidate in candidates}
        entries = await self._standing(searched, list(names)) if names else {}
        finished: list[Finished] = []
        hit: set[str] = set()
        for item, candidates in zip(searched, found, strict=True):
            match = self._best(item, candidates, entries)
            if match is not None:
                hit.add(item.key)
                finished += [_hit(question, item.lane, *match) for question in item.all()]
        if finished:
            await self._outbound.send(finished)
        return [item for item in todo if item.key not in hit]

    def _may_hit(self, item: OpenQuestion) -> bool:
        return item.question.cache == "use" and self._matcher.is_kept(item.question)

    def _query(self, item: OpenQuestion) -> VectorQuery:
        assert item.vector is not None
        return VectorQuery(item.question.scope, item.vector, self._matcher.threshold(item.question))

    def _best(
        self, item: OpenQuestion, candidates: Sequence[Candidate], entries: Mapping[str, Entry]
    ) -> tuple[Entry, float] | None:
        """The most similar candidate whose entry still stands and may serve this question."""
        for candidate in candidates:
            entry = entries.get(candidate.fingerprint)
            if entry is None or entry.scope != item.question.scope or entry.epochs != item.epochs:
                continue
            if self._matcher.matches(item.question, entry.question, candidate.similarity):
                return entry, candidate.similarity
        return None

    async def _lead_or_follow(self, todo: list[OpenQuestion], position: Position) -> None:
        """What matches a question being asked follows it at once; the rest wait for a place at the LLM."""
        if not todo:
            return
        joined = self._coalescer.join([item.ask(self._matcher) for item in todo])
        if any(joined) and await self.is_outdated(todo):
            joined = self._coalescer.join([item.ask(self._matcher) for item in todo])
        outcomes = await asyncio.gather(
            *(
                self._asking.until_answered(item, follow, position, self)
                for item, follow in zip(todo, joined, strict=True)
            ),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def is_outdated(self, todo: Sequence[OpenQuestion]) -> bool:
        """One round trip. True: a match may have been invalidated before it was made."""
        matched = [item.epochs for item in todo]
        await self._standing(todo)
        return matched != [item.epochs for item in todo]

    async def _standing(self, todo: Sequence[OpenQuestion], fingerprints: Sequence[str] = ()) -> Mapping[str, Entry]:
        """The live entries among these; from here on the questions are matched as the epochs are now."""
        found = await self._exact_cache.standing(fingerprints, [item.question for item in todo])
        for item, epochs in zip(todo, found.epochs, strict=True):
            item.epochs = epochs
        return found.entries

    async def look_again(self, item: OpenQuestion) -> bool:
        """Both caches once more, for a question that has waited long. True: it is answered."""
        [known] = await self._exact_cache.look_up([item.question])
        if not known.pending:
            return True
        item.began = item.epochs = known.epochs
        if known.entry is not None and self._matcher.is_kept(item.question):
            entry = known.entry
            await self._outbound.send([_hit(question, item.lane, entry) for question in item.all()])
            return True
        return not await self._similar_entries([item])


def _hit(question: Question, lane: str, entry: Entry, similarity: float | None = None) -> Finished:
    semantic = similarity is not None
    answer = Answer(
        job_id=question.job_id,
        status="answered",
        source="semantic" if semantic else "exact",
        similarity=similarity,
        matched_question=entry.question if semantic else None,
        model=entry.body.get("model") or question.model,
        cached_at=entry.created_at,
        metadata=question.metadata,
        body=entry.body,
    )
    return Finished(question, answer, hit=entry.fingerprint, lane=lane)


def expired(question: Question) -> Answer:
    error = AnswerError("expired", "the question's deadline passed before it was answered")
    return Answer(question.job_id, "failed", error=error, metadata=question.metadata)

"""Looks questions up in both caches. Hits are published at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from askonce.contract.unmatched import Unmatched
from askonce.question import Question, Tier
from askonce_worker.answering.answers import EXPIRED, failed, from_cache, similar
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
    VectorQuery,
)
from askonce_worker.answering.schema_check import CheckSchema, unchecked
from askonce_worker.answering.serving import Choice, Hit, Serving
from askonce_worker.answering.stages import Stage, unobserved
from askonce_worker.answering.tiers import tier_of
from askonce_worker.matching.match import Matcher, Reuse

WAITED = 1.0
"""Seconds after which a lookup counts as having waited. During an LLM turn it does not wait."""
NOT_IN_TIME = frozenset(
    {Unmatched.EMBEDDINGS_SLOW, Unmatched.EMBEDDINGS_DOWN, Unmatched.QDRANT_SLOW, Unmatched.QDRANT_DOWN}
)
"""Reasons that mean a server did not answer in the available time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The questions of one chunk, and the job they came in. asked, deadline: Unix ms of Redis's clock, for all.

    looked_up: called once both caches were read, and the rest only waits for the LLM or for leaders. lapses: how
    many workers died while the job ran.
    """

    questions: Sequence[Question]
    lane: str
    job: str
    asked: int
    deadline: int
    looked_up: Callable[[], None]
    lapses: int = 0


class Lookup:
    """Each method returns the questions it did not answer."""

    def __init__(
        self,
        *,
        clock: Clock,
        exact: ExactCache,
        embedder: Embedder,
        semantic: SemanticCache,
        matcher: Matcher,
        serving: Serving,
        outbound: Outbound,
        llm_seconds: float = 60.0,
        bulk_tier: Tier = "standard",
        check_schema: CheckSchema = unchecked,
        stage: Stage = unobserved,
    ) -> None:
        """llm_seconds: how much of a question's time a similarity lookup leaves, or half of it if that is less.

        bulk_tier: that of bulk questions that name none. check_schema: for semantic hits; `exact` checks its own.
        """
        self._check_schema = check_schema
        self._clock = clock
        self._exact_cache = exact
        self._embedder = embedder
        self._semantic_cache = semantic
        self._matcher = matcher
        self._serving = serving
        self._outbound = outbound
        self._llm_seconds = llm_seconds
        self._bulk_tier: Tier = bulk_tier
        self._stage = stage

    async def exact(self, batch: Batch) -> list[OpenQuestion]:
        """One round trip. Drops questions that are answered, expired, in the exact cache, or another job's."""
        with self._stage("exact", questions=len(batch.questions)):
            known = await self._exact_cache.look_up(batch.questions, f"{batch.lane}:{batch.job}")
        finished: list[Finished] = []
        todo: list[OpenQuestion] = []
        late = self._clock.now_ms() >= batch.deadline
        for question, state in zip(batch.questions, known, strict=True):
            if not state.pending:
                continue
            reuse = self._matcher.reuse(question)
            if state.entry is not None and reuse.kept:
                finished.append(from_cache(question, batch.lane, state.entry))
            elif late:
                finished.append(failed(question, batch.lane, EXPIRED))
            else:
                tier, joins = tier_of(question, batch.lane, self._bulk_tier), self._serving.joins(question, reuse)
                todo.append(_opened(question, batch, reuse, state.epochs, tier, joins))
        if finished:
            await self._outbound.send(finished)
        return group_same(todo)

    async def similar(self, todo: list[OpenQuestion], *, lane: str = "", in_turn: bool = False) -> list[OpenQuestion]:
        """One embedding each, one batch query for all, one read for the entries of all candidates.

        lane: determines the wait for slow servers; the questions' own unless given. in_turn: an LLM turn is held
        meanwhile, so slow servers are not waited for.
        """
        began = self._clock.now_ms()
        await self._embed([item for item in todo if item.reuse.semantic and item.vector is None], lane, in_turn)
        wanted = [item for item in todo if item.vector is not None and item.reuse.from_cache]
        if not wanted:
            return todo
        serving = await self._serving.prepare([item.question for item in wanted])
        searched, found = await self._search(wanted, serving, lane, in_turn)
        waited = (self._clock.now_ms() - began) / 1000
        for item in searched:
            item.unmatched = None
            item.waited = max(item.waited, waited) if waited > WAITED else item.waited
        names = {candidate.fingerprint: None for candidates in found for candidate in candidates}
        entries = await self._live_entries(searched, list(names)) if names else {}
        nearest = ((item, entries.get(near[0].fingerprint)) for item, near in zip(searched, found, strict=True) if near)
        self._matcher.prepare((item.question.text, entry.question) for item, entry in nearest if entry is not None)
        finished, hit = list[Finished](), set[str]()
        for item, candidates in zip(searched, found, strict=True):
            choice = self._choose(serving, item, candidates, entries)
            item.look, item.spare, item.doubt = choice.look, choice.spare, choice.doubt
            if choice.hit is not None:
                hit.add(item.key)
                finished += similar(item, choice.hit)
        if finished:
            await self._outbound.send(finished)
        return [item for item in todo if item.key not in hit]

    def _choose(
        self, serving: Serving, item: OpenQuestion, candidates: Sequence[Candidate], entries: Mapping[str, Entry]
    ) -> Choice:
        """Chooses among the candidates whose entries are still valid and may serve this question."""
        assert item.vector is not None
        found = []
        for candidate in candidates:
            entry = entries.get(candidate.fingerprint)
            if entry is not None and entry.epochs == item.epochs and self._may_serve(item.question, entry):
                found.append(Hit(entry, candidate.similarity, candidate.vector))
        return serving.choose(item.question, item.lane, item.vector, found)

    def _may_serve(self, question: Question, entry: Entry) -> bool:
        return entry.scope == question.scope and (entry.valid or self._check_schema(question, entry.body) is None)

    async def is_outdated(self, todo: Sequence[OpenQuestion]) -> bool:
        """One round trip. True: an invalidation came since the last lookup, and now applies to them."""
        matched = [item.epochs for item in todo]
        await self._live_entries(todo)
        return matched != [item.epochs for item in todo]

    async def spare_stands(self, item: OpenQuestion) -> bool:
        """Whether the hit being checked may still serve the question. If not, it is dropped."""
        if item.spare is not None and await self.stands(item.question, item.spare):
            return True
        item.look = item.spare = None
        return False

    async def stands(self, question: Question, hit: Hit) -> bool:
        """Whether a match may still serve the question. It may have been invalidated or reported meanwhile."""
        name = hit.entry.fingerprint
        found = await self._exact_cache.live_entries([name], [question])
        entry = found.entries.get(name)
        if entry is None or entry.epochs != found.epochs[0] or not self._may_serve(question, entry):
            return False
        return self._matcher.matches(question, hit.entry.question, hit.similarity)

    async def look_again(self, item: OpenQuestion, *, in_turn: bool = False, similar: bool = True) -> bool:
        """Reads both caches again, for a question that has waited. True: it is answered, with all its copies.
        in_turn: as in `similar`. similar: the semantic one too.

        If a question's marker is gone meanwhile (cancelled, or answered elsewhere), the first of its copies takes its
        place.
        """
        questions = list(item.all())
        known = await self._exact_cache.look_up(questions)
        pending = [question for question, state in zip(questions, known, strict=True) if state.pending]
        if not pending:
            return True
        item.question, *item.copies = pending
        item.began = item.epochs = known[0].epochs
        entry = known[0].entry
        if entry is not None and item.reuse.kept:
            await self._outbound.send([from_cache(question, item.lane, entry) for question in pending])
            return True
        return similar and not await self.similar([item], in_turn=in_turn)

    async def _search(
        self, items: Sequence[OpenQuestion], serving: Serving, lane: str, in_turn: bool
    ) -> tuple[list[OpenQuestion], list[list[Candidate]]]:
        """The questions that could be searched, and what was found. The others get the reason why not."""
        lane, within = lane or items[0].lane, self._within(items[0], in_turn)
        with self._stage("semantic", questions=len(items)):
            queries = [_query(serving, item) for item in items]
            replies = await self._semantic_cache.search(queries, lane=lane, within=within, urgent=in_turn)
        searched, found = [], []
        for item, reply in zip(items, replies, strict=True):
            if isinstance(reply, Unmatched):
                item.unmatched = reply
            else:
                searched.append(item)
                found.append(reply)
        return searched, found

    def _within(self, item: OpenQuestion, in_turn: bool) -> float:
        """Seconds that the similarity lookup may take, so that the LLM can still be asked in time."""
        left = max(0.0, (item.deadline - self._clock.now_ms()) / 1000)
        within = max(left - self._llm_seconds, left / 2)
        return min(within, WAITED) if in_turn else within

    async def _embed(self, items: Sequence[OpenQuestion], lane: str, in_turn: bool) -> None:
        if not items:
            return
        texts = [item.question.text for item in items]
        with self._stage("embed", questions=len(items)):
            within = self._within(items[0], in_turn)
            found = await self._embedder.embed(texts, lane=lane or items[0].lane, within=within)
        for item, embedding in zip(items, found, strict=True):
            item.vector, item.unmatched = embedding.vector, embedding.unmatched

    async def _live_entries(
        self, todo: Sequence[OpenQuestion], fingerprints: Sequence[str] = ()
    ) -> Mapping[str, Entry]:
        """The live entries among these. From now on, the questions are matched under the current epochs."""
        found = await self._exact_cache.live_entries(fingerprints, [item.question for item in todo])
        for item, epochs in zip(todo, found.epochs, strict=True):
            item.epochs = epochs
        return found.entries


def _query(serving: Serving, item: OpenQuestion) -> VectorQuery:
    assert item.vector is not None
    question, least = item.question, item.reuse.threshold
    item.joins = serving.joins(question, item.reuse)
    return VectorQuery(question.scope, item.vector, least, item.epochs, serving.needs_vectors(question))


def _opened(question: Question, batch: Batch, reuse: Reuse, epochs: str, tier: Tier, joins: float) -> OpenQuestion:
    facts = (question, batch.lane, batch.deadline, batch.asked, reuse, epochs, epochs)
    return OpenQuestion(*facts, batch.lapses, tier, joins, unmatched=Unmatched.TOO_LONG if reuse.too_long else None)

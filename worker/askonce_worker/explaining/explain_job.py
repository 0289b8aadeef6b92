"""The job that explains a question. It reads both caches, and changes no counter and calls no LLM."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from askonce.contract.exact_entry import by_exact_entry
from askonce.contract.explaining import unpack_request
from askonce.contract.scope_record import Parts, differences, parts_of
from askonce.contract.unmatched import Unmatched
from askonce.explanation import Explanation, InForce, NearEntry
from askonce.question import Question
from askonce_worker.answering.ports import (
    Candidate,
    Clock,
    Embedder,
    Entry,
    SemanticCache,
    SemanticCacheDown,
    Vector,
    VectorQuery,
)
from askonce_worker.answering.serving import Hit, Serving
from askonce_worker.explaining.ports import Knowledge, Known, Neighbour, Neighbours
from askonce_worker.explaining.reasons import Found, explained, why_exact_only
from askonce_worker.matching.match import Matcher
from askonce_worker.queue.leased_job import LeasedJob, Unworkable

log = structlog.get_logger()

LANE = "interactive"
EXCERPT = 200
"""Maximum characters of another question's text."""
ANY = -1.0
"""A cosine that every vector reaches."""
MOST = 5
"""Entries listed from the scope, and from elsewhere."""
NOT_SEARCHED = "other scopes were not searched: Qdrant is away, or refuses"


class ExplainJob:
    def __init__(
        self,
        *,
        clock: Clock,
        matcher: Matcher,
        serving: Serving,
        embedder: Embedder,
        semantic: SemanticCache,
        neighbours: Neighbours | None,
        knowledge: Knowledge,
    ) -> None:
        """matcher: the one that `serving` uses. neighbours: None without Qdrant."""
        self._clock = clock
        self._matcher = matcher
        self._serving = serving
        self._embedder = embedder
        self._semantic = semantic
        self._neighbours = neighbours
        self._knowledge = knowledge

    async def run(self, job: LeasedJob, payload: Any) -> None:
        """Reply, unless nobody waits any longer. Raises Unworkable."""
        try:
            request = unpack_request(payload)
        except ValueError as error:
            raise Unworkable("it is not a question to explain") from error
        seconds = (job.enqueued_ms + request.timeout_ms - self._clock.now_ms()) / 1000
        if seconds > 0:
            explanation = await self._explain(request.question, seconds)
            await self._knowledge.reply(request.reply_to, explanation)
            log.info("question.explained", namespace=explanation.namespace, reason=explanation.reason)

    async def _explain(self, question: Question, seconds: float) -> Explanation:
        known = await self._knowledge.known(question)
        await self._serving.prepare([question])
        in_force = self._serving.in_force(question, self._matcher.reuse(question))
        found = self._not_looked_for(question) or await self._look(question, known, in_force, seconds)
        return explained(by_exact_entry(question, known.epochs, known.exact), found, in_force)

    def _not_looked_for(self, question: Question) -> Found | None:
        about_now = self._matcher.about_now(question.text)
        if about_now:
            return Found("about_now", about_now)
        if question.exact_only:
            return Found("exact_only", why_exact_only(question))
        if self._neighbours is None or not self._matcher.is_semantic:
            missing = (
                "no Qdrant is set" if self._neighbours is None else "no threshold is known for the embedding model"
            )
            return Found("semantic_off", missing)
        reuse = self._matcher.reuse(question)
        return Found("too_long") if reuse.too_long else None if reuse.semantic else Found(question.cache)

    async def _look(self, question: Question, known: Known, in_force: InForce, seconds: float) -> Found:
        assert self._neighbours is not None
        [embedding] = await self._embedder.embed([question.text], lane=LANE, within=seconds / 2)
        if embedding.vector is None:
            return Found("unmatched", (embedding.unmatched or Unmatched.EMBEDDINGS_DOWN).value)
        vectors = self._serving.needs_vectors(question)
        query = VectorQuery(question.scope, embedding.vector, ANY, known.epochs, vectors)
        [candidates] = await self._semantic.search([query], lane=LANE, within=seconds / 4)
        if isinstance(candidates, Unmatched):
            return Found("unmatched", candidates.value)
        others, note = await self._others(embedding.vector, question.namespace or "", seconds / 4)
        entries = await self._entries(question, [*candidates, *others])
        near = _Nearness(self._matcher, question, known, in_force, self._knowledge.fits)
        in_scope = self._in_scope(near, embedding.vector, candidates, entries)
        elsewhere = await self._elsewhere(near, others, entries)
        return Found("", "", in_scope, elsewhere, note)

    async def _others(self, vector: Vector, namespace: str, seconds: float) -> tuple[list[Neighbour], str]:
        assert self._neighbours is not None
        try:
            return await self._neighbours.near(vector, namespace, seconds=seconds), ""
        except (SemanticCacheDown, TimeoutError) as error:
            log.warning("explaining.not_searched", error=type(error).__name__)
            return [], NOT_SEARCHED

    async def _entries(self, question: Question, found: Iterable[Candidate | Neighbour]) -> dict[str, Entry]:
        names = dict.fromkeys(each.fingerprint for each in found)
        names.pop(question.fingerprint, None)  # the exact entry is reported separately
        return await self._knowledge.entries([*names])

    def _in_scope(
        self, near: "_Nearness", vector: Vector, found: Sequence[Candidate], entries: Mapping[str, Entry]
    ) -> tuple[NearEntry, ...]:
        there = ((entries.get(each.fingerprint), each) for each in found)
        hits = [Hit(entry, each.similarity, each.vector) for entry, each in there if entry and near.place(entry) == ()]
        scores = self._serving.scores(near.question, vector, hits)
        return tuple(near.entry(hit.entry, hit.similarity, score) for hit, score in zip(hits, scores, strict=True))[
            :MOST
        ]

    async def _elsewhere(
        self, near: "_Nearness", found: Sequence[Neighbour], entries: Mapping[str, Entry]
    ) -> tuple[NearEntry, ...]:
        pairs = [(entries[each.fingerprint], each) for each in found if each.fingerprint in entries]
        there = [(entry, each) for entry, each in pairs if near.place(entry)][:MOST]
        own, scope = parts_of(near.question), near.question.scope
        scopes = await self._knowledge.scopes([*{entry.scope for entry, _ in there if entry.scope != scope}])
        told = []
        for entry, each in there:
            parts = scopes.get(entry.scope) or _model_of(own, each)
            differ = differences(own, parts) if entry.scope != scope and parts is not None else ()
            told.append(replace(near.entry(entry, each.similarity), differences=differ))
        return tuple(told)


@dataclass(frozen=True, slots=True)
class _Nearness:
    """Finds the rules that keep other questions' answers from this one."""

    matcher: Matcher
    question: Question
    known: Known
    in_force: InForce
    fits: Callable[[Question, Entry], bool]

    def entry(self, entry: Entry, similarity: float, score: float | None = None) -> NearEntry:
        """score: under the policy in force, if that does not use the similarity."""
        text = entry.question if len(entry.question) <= EXCERPT else f"{entry.question[: EXCERPT - 1]}…"
        rules = [*self.matcher.refusals(self.question, entry.question, similarity)]
        if "threshold" not in rules and self._is_below(similarity, score):
            rules.insert(0, "threshold")
        if entry.scope == self.question.scope and not self.fits(self.question, entry):
            rules.append("schema")
        age, left = self.known.now - entry.created_at, entry.expires_at - self.known.now
        refused = (*self.place(entry), *rules)
        times = max(0, age), max(0, left)
        return NearEntry(text, similarity, *times, refused, score=score, fingerprint=entry.fingerprint)

    def place(self, entry: Entry) -> tuple[str, ...]:
        """Why an entry's place (scope, epochs, expiry) keeps it from answering the question."""
        scope = () if entry.scope == self.question.scope else ("scope",)
        return (*scope, *(() if entry.epochs == self.known.epochs else ("epoch",)))

    def _is_below(self, similarity: float, score: float | None) -> bool:
        if self.in_force.threshold is None:
            return True
        if score is None and self.in_force.scorer != "cosine":
            return False  # unknown
        return (similarity if score is None else score) < self.in_force.threshold


def _model_of(own: Parts, near: Neighbour) -> Parts | None:
    """The model, which is all that is known of a scope without a summary."""
    same = own.get("model", [0, "", ""])[2] == near.model
    return None if same else {**own, "model": [len(near.model), "", near.model]}

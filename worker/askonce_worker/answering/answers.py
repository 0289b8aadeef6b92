"""The answers that leave a worker, one function for each source."""

from dataclasses import replace
from typing import Any

from askonce.answer import Answer, AnswerError
from askonce.prices.counts import STANDARD
from askonce.prices.money import from_nano
from askonce.question import Question
from askonce_worker.answering.coalescing import Follow
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Completion, Entry, Finished, LLMError
from askonce_worker.answering.serving import Hit
from askonce_worker.audit.looks import Look

Failure = dict[str, Any]
"""`{"error": {kind, message, status}, "body": ..., "cost": ...}`; followers read the first two."""

INVALID = "invalid_answer"
EXPIRED: Failure = {"error": {"kind": "expired", "message": "the question's deadline passed before it was answered"}}


def similar(item: OpenQuestion, hit: Hit) -> list[Finished]:
    """The answer of a hit, for the question and its copies."""
    facts = (item.lane, hit.entry, hit.similarity)
    first = from_cache(item.question, *facts, waited=item.waited, look=item.look, count=1 + len(item.copies))
    return [first, *(from_cache(copy, *facts, waited=item.waited) for copy in item.copies)]


def from_cache(
    question: Question,
    lane: str,
    entry: Entry,
    similarity: float | None = None,
    *,
    waited: float = 0.0,
    look: Look | None = None,
    count: int = 1,
) -> Finished:
    """similarity: of a semantic hit; None for an exact one. waited: seconds for the lookup, if it took long.
    look, count: as of `Finished`."""
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
        waited=waited or None,
    )
    return Finished(question, answer, hit=entry.fingerprint, lane=lane, look=look, count=count)


def from_llm(item: OpenQuestion, completion: Completion) -> list[Finished]:
    """The question's own answer, and the same for its copies."""
    question, body = item.question, completion.body
    model = body.get("model") or question.model
    own = Answer(
        job_id=question.job_id,
        status="answered",
        source="llm",
        model=model,
        metadata=question.metadata,
        body=body,
        unmatched=item.unmatched,
        waited=(not item.unmatched and item.waited) or None,
        tier=None if completion.tier == STANDARD else completion.tier,
        cost=None if completion.cost is None else from_nano(completion.cost),
    )
    same = Follow(leader="", text=question.text, similarity=1.0, same=True)
    looked_at = Finished(question, own, lane=item.lane, look=item.look, count=1 + len(item.copies))
    return [looked_at, *(joined(copy, item.lane, body, same) for copy in item.copies)]


def from_leader(item: OpenQuestion, body: dict[str, Any], follow: Follow) -> list[Finished]:
    first, *others = (joined(question, item.lane, body, follow) for question in item.all())
    return [replace(first, look=item.look, count=1 + len(others)), *others]


def joined(question: Question, lane: str, body: dict[str, Any], follow: Follow) -> Finished:
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


def failed(question: Question, lane: str, failure: Failure) -> Finished:
    error = AnswerError(**failure["error"])
    body, cost = failure.get("body"), failure.get("cost")
    paid = None if cost is None else from_nano(cost)
    answer = Answer(question.job_id, "failed", error=error, metadata=question.metadata, body=body, cost=paid)
    return Finished(question, answer, lane=lane)


def failure_of(error: LLMError) -> Failure:
    body = error.body if isinstance(error.body, dict) else None
    failure = {"error": {"kind": error.kind, "message": error.message, "status": error.status}, "body": body}
    return failure if error.cost is None else {**failure, "cost": error.cost}


def for_others(failure: Failure) -> Failure:
    """The same for those who did not pay for it. Only the payer gets an answer that does not fit its schema."""
    if failure["error"]["kind"] != INVALID:
        return failure
    return {"error": failure["error"]}

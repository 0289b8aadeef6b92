"""Checks who still waits for a parked question, and whether the exact cache has its answer by now."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from askonce_worker.answering.ports import ExactCache, QuestionState
from askonce_worker.matching.match import Matcher
from askonce_worker.parked.records import Parked
from askonce_worker.parked.settling import Settling


@dataclass(frozen=True, slots=True)
class Waiting:
    """parked: with only its current waiters. epochs: the current stamp."""

    parked: Parked
    epochs: str


class Pending:
    def __init__(self, exact: ExactCache, matcher: Matcher, settling: Settling) -> None:
        self._exact = exact
        self._matcher = matcher
        self._settling = settling

    async def look(self, some: Sequence[Parked], *, keep: bool = False) -> list[Waiting]:
        """Questions that have waiters and no entry. Answers found in the cache are published.

        keep: they are in a running batch, and stay there even without waiters.
        """
        by_namespace: dict[str, list[Parked]] = defaultdict(list)
        for parked in some:
            by_namespace[parked.question.namespace or ""].append(parked)
        waiting = []
        for group in by_namespace.values():
            questions = [waiter.question for parked in group for waiter in parked.waiters]
            states = iter(await self._exact.look_up(questions) if questions else ())
            for parked in group:
                found = await self._one(parked, [next(states) for _ in parked.waiters], keep=keep)
                waiting += [found] if found is not None else []
        return waiting

    async def _one(self, parked: Parked, states: Sequence[QuestionState], *, keep: bool) -> Waiting | None:
        pairs = list(zip(parked.waiters, states, strict=True))
        pending = [waiter for waiter, state in pairs if state.pending]
        gone = [waiter for waiter, state in pairs if not state.pending]
        if gone or not (pairs or keep):
            await self._settling.gone(parked, gone, keep=keep)
        if not pending:
            return None
        served = {
            waiter.field: state.entry
            for waiter, state in pairs
            if state.pending and state.entry is not None and self._matcher.reuse(waiter.question).kept
        }
        hits = [waiter for waiter in pending if waiter.field in served]
        if hits:
            entry = served[hits[0].field]
            same = [waiter for waiter in hits if served[waiter.field].fingerprint == entry.fingerprint]
            left = replace(parked, waiters=tuple(pending))
            await self._settling.from_cache(left, same, entry, keep=keep)
            pending = [waiter for waiter in pending if waiter not in same]
        if not pending:
            return None
        return Waiting(replace(parked, waiters=tuple(pending)), states[0].epochs)

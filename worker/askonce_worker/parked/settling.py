"""Delivers answers of parked questions as if a worker had made the call: stored, published to all who wait, then
counted once.

New waiters may arrive meanwhile: the script that forgets a question reports them, and they get the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from askonce.contract.completion import CompletionVerdict, verdict
from askonce.contract.counters import tokens
from askonce.contract.records import Body
from askonce.contract.unmatched import Unmatched
from askonce.prices.load import Prices
from askonce.question import Question, Tier
from askonce_worker.answering.answers import EXPIRED, Failure, failed, from_cache
from askonce_worker.answering.ports import Clock, Completion, Entry, Finished, NewEntry, Outbound
from askonce_worker.answering.schema_check import CheckSchema, unchecked
from askonce_worker.matching.match import Matcher
from askonce_worker.parked.arriving import Arriving
from askonce_worker.parked.lines import Outcome
from askonce_worker.parked.outcomes import LANE, asked, from_batch, is_same, with_waiters
from askonce_worker.parked.records import Parked, Waiter
from askonce_worker.parked.store import ParkedStore
from askonce_worker.parked.twins import Twins
from askonce_worker.providers.call_counts import CallCounts
from askonce_worker.providers.money_budget import MoneyBudget

TIER: Tier = "batch"
NOTHING: Mapping[str, int] = {}
UNKNOWN: Mapping[str, int] = {"tokens_in": 0, "lost": 1}
"""Counters of a line that may be billed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A batch's reply to a parked question. began: its epochs, called: Unix ms, both when it was asked."""

    parked: Parked
    body: dict[str, Any]
    began: str
    called: int


@dataclass(slots=True)
class _Parcel:
    """The delivery for one question. own: counters of its batch."""

    parked: Parked
    finished: list[Finished]
    entries: list[NewEntry] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)


class Settling:
    """prices, money: of the provider whose batches these are."""

    def __init__(
        self,
        store: ParkedStore,
        outbound: Outbound,
        matcher: Matcher,
        twins: Twins,
        clock: Clock,
        arriving: Arriving,
        *,
        prices: Prices,
        money: MoneyBudget,
        check_schema: CheckSchema = unchecked,
    ) -> None:
        self._check_schema = check_schema
        self._store = store
        self._outbound = outbound
        self._matcher = matcher
        self._twins = twins
        self._clock = clock
        self._arriving = arriving
        self._prices = prices
        self._money = money

    async def answered(self, replies: Sequence[Reply], batch: str) -> None:
        """Delivers a batch's answers. Waiters with other words who may not have them are asked separately."""
        vectors = await self._twins.vectors([reply.parked for reply in replies])
        while replies:
            parcels = []
            for reply in replies:
                own = await self._without_strangers(reply.parked, reply.body)
                entries = self._entries(reply, vectors.get(reply.parked.id))
                counts, mine = self._paid(reply.parked.question, reply.body)
                said = Completion(Body(reply.body), mine.get("cost"), TIER)
                finished = from_batch(own, said, self._unmatched(own.question))
                parcels.append(_Parcel(own, finished, entries, counts, mine))
            again = set(await self._send(parcels, batch))
            more = {parked.id: parked for parked in await self._store.read(list(again))}
            replies = [
                Reply(more[reply.parked.id], reply.body, reply.began, reply.called)
                for reply in replies
                if reply.parked.id in more
            ]

    async def failed(self, parked: Parked, failure: Failure, batch: str) -> None:
        """Delivers permanent failures. Waiters with other words are asked separately."""
        same = [waiter for waiter in parked.waiters if is_same(parked, waiter)]
        await self.ask_alone(parked, [waiter for waiter in parked.waiters if not is_same(parked, waiter)])
        own = with_waiters(parked, same)
        finished = [failed(waiter.question, LANE, failure) for waiter in same]
        parcel = _Parcel(own, finished, counts=_failed(parked.question), own={"failed": 1})
        again = await self._send([parcel], batch)
        for late in await self._store.read(again):
            await self.failed(late, failure, batch)

    async def wasted(self, lines: Sequence[tuple[Parked, Outcome]], batch: str) -> None:
        """Counts what the provider billed without an answer. Calls of failed questions are counted with the failure."""
        counted = []
        for parked, outcome in lines:
            counts = CallCounts(self._prices)
            if outcome.kind == "again":
                counts.called(parked.question)
                counts.failed(parked.question)
            own = {"vain": 1, **_billed(counts, parked.question, outcome.billed or {})}
            counted.append((parked, counts.report().counts, own))
        if counted:
            await self._store.waste(counted, batch)

    async def lost(self, some: Sequence[Parked], batch: str) -> None:
        """Their batch is lost but may be billed, so what was reserved for them counts as spent."""
        await self._store.waste([(parked, NOTHING, UNKNOWN) for parked in some], batch)

    async def refused(self, some: Sequence[tuple[Parked, Failure]]) -> None:
        """Fails questions that were in no batch and must not be asked."""
        parcels = [
            _Parcel(parked, [failed(waiter.question, LANE, failure) for waiter in parked.waiters])
            for parked, failure in some
        ]
        if parcels:
            await self._send(parcels, "")

    async def from_cache(self, parked: Parked, waiters: Sequence[Waiter], entry: Entry, *, keep: bool) -> None:
        """Delivers answers found in the cache. keep: the question is in a batch, and stays until that has ended."""
        finished = [from_cache(waiter.question, LANE, entry) for waiter in waiters]
        await self._leave(parked, waiters, finished, keep=keep)

    async def expired(self, parked: Parked, waiters: Sequence[Waiter], *, keep: bool) -> None:
        finished = [failed(waiter.question, LANE, EXPIRED) for waiter in waiters]
        await self._leave(parked, waiters, finished, keep=keep)

    async def gone(self, parked: Parked, waiters: Sequence[Waiter], *, keep: bool) -> None:
        """Removes waiters that have an answer or were cancelled."""
        await self._leave(parked, waiters, [], keep=keep)

    async def to_standard(self, some: Sequence[Parked]) -> None:
        """Returns questions to the queue, at the standard price. One with a new waiter stays."""
        await self._twins.forget(await self._store.unpark(some, self._clock.now_ms()))

    async def _leave(
        self, parked: Parked, waiters: Sequence[Waiter], finished: Sequence[Finished], *, keep: bool
    ) -> None:
        if finished:
            await self._outbound.send(finished)
        if keep:
            await self._store.let_go(parked, waiters, self._clock.now_ms(), asked_again=False)
        else:
            again = await self._store.done([(with_waiters(parked, waiters), NOTHING, NOTHING)])
            if len(waiters) == len(parked.waiters) and not again:
                await self._twins.forget([parked])

    async def _send(self, parcels: Sequence[_Parcel], batch: str) -> list[str]:
        finished = [each for parcel in parcels for each in parcel.finished]
        entries = [entry for parcel in parcels for entry in parcel.entries]
        if finished or entries:
            await self._outbound.send(finished, entries=entries)
        if entries:
            await self._arriving.note()
        again = await self._store.done([(each.parked, each.counts, each.own) for each in parcels], batch=batch)
        left = set(again)
        await self._twins.forget([parcel.parked for parcel in parcels if parcel.parked.id not in left])
        return again

    async def _without_strangers(self, parked: Parked, body: Mapping[str, Any]) -> Parked:
        """A refusal is only for those who asked in exactly these words; a match may have been reported as wrong since;
        and whoever needs an answer that fits a schema is asked for at once, because batches repair none."""
        strangers = [each for each in parked.waiters if not self._may_have(parked, each, body)]
        await self.ask_alone(parked, strangers)
        return with_waiters(parked, [waiter for waiter in parked.waiters if waiter not in strangers])

    def _may_have(self, parked: Parked, waiter: Waiter, body: Mapping[str, Any]) -> bool:
        if self._check_schema(waiter.question, body) is not None:
            return False
        if is_same(parked, waiter):
            return True
        similarity = waiter.similarity or 0.0
        refused = verdict(body) is CompletionVerdict.REFUSED
        return not refused and self._matcher.matches(waiter.question, parked.question.text, similarity)

    async def ask_alone(self, parked: Parked, waiters: Sequence[Waiter]) -> None:
        if waiters:
            await self._store.let_go(parked, waiters, self._clock.now_ms(), asked_again=True)

    def _entries(self, reply: Reply, vector: Any) -> list[NewEntry]:
        question, body = asked(reply.parked), reply.body
        reuse = self._matcher.reuse(question)
        mismatched = any(self._check_schema(waiter.question, body) for waiter in reply.parked.waiters)
        if not reuse.kept or mismatched or verdict(body) is not CompletionVerdict.GOOD:
            return []
        return [NewEntry(question, body, reply.began, vector, reuse.semantic, reply.called)]

    def _paid(self, question: Question, body: Mapping[str, Any]) -> tuple[Mapping[str, int], dict[str, int]]:
        """The cost of a line, in the total counters and those of its batch."""
        counts = CallCounts(self._prices)
        counts.called(question)
        own = {"done": 1, **_billed(counts, question, body)}
        self._money.learn(question.model or "", own["tokens_out"])
        return counts.report().counts, own

    def _unmatched(self, question: Question) -> Unmatched | None:
        return Unmatched.TOO_LONG if self._matcher.reuse(question).too_long else None


def _billed(counts: CallCounts, question: Question, body: Mapping[str, Any]) -> dict[str, int]:
    """Counts a billed line. Returns the counters of its batch."""
    cost = counts.paid(question, body, tier=TIER)
    tokens_in, tokens_out, _ = tokens(body)
    own = {"tokens_in": tokens_in, "tokens_out": tokens_out}
    return own if cost is None else {**own, "cost": cost}


def _failed(question: Question) -> Mapping[str, int]:
    counts = CallCounts()
    counts.called(question)
    counts.failed(question)
    return counts.report().counts

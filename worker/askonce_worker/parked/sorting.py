"""Sorts new parked questions: answered by a cache after all, joined to another parked one, or ready for a batch.

One worker does this, in one task. So among similar questions the first leads and the others find it: each is compared
with earlier ones in Qdrant, which are stored before the next ones are searched, and with the rest of its page.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import structlog

from askonce.store.away import TROUBLE
from askonce_worker.answering.lookup import NOT_IN_TIME, Lookup
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Clock
from askonce_worker.logs.error_origin import place
from askonce_worker.matching.match import Matcher
from askonce_worker.parked.arriving import Arriving
from askonce_worker.parked.outcomes import LANE
from askonce_worker.parked.pending import Pending
from askonce_worker.parked.records import Parked, Waiter, pool_of, reworded
from askonce_worker.parked.settling import Settling
from askonce_worker.parked.store import NEW, Joining, LockLost, ParkedStore
from askonce_worker.parked.twins import Twins

log = structlog.get_logger()

AT_ONCE = 64
PATIENCE = 600.0
"""Seconds to wait for Qdrant or the embedding server; after that, questions skip the lookup."""

Sorted = tuple[Parked, OpenQuestion]


class Sorting:
    def __init__(
        self,
        *,
        store: ParkedStore,
        lookup: Lookup,
        pending: Pending,
        matcher: Matcher,
        twins: Twins,
        settling: Settling,
        clock: Clock,
        arriving: Arriving,
        bounded: Collection[str],
    ) -> None:
        """bounded: namespaces with a budget."""
        self._bounded = bounded
        self._arriving = arriving
        self._store = store
        self._lookup = lookup
        self._pending = pending
        self._matcher = matcher
        self._twins = twins
        self._settling = settling
        self._clock = clock
        self._in_trouble_since: float | None = None

    async def begin(self) -> None:
        """This worker has just got the lock: answers settled by the previous holder may still be in the outbox."""
        await self._arriving.note()

    async def step(self) -> bool:
        """Sorts some. True: there are more."""
        ids = await self._store.ids(NEW, 0, AT_ONCE)
        if ids and not await self._arriving.are_there():
            return False
        by_namespace: dict[str, list[Parked]] = defaultdict(list)
        for parked in await self._store.read_from(NEW, ids):
            by_namespace[parked.question.namespace or ""].append(parked)
        moved = [await self._sort_all(some) for some in by_namespace.values()]
        return all(moved) and len(ids) == AT_ONCE

    async def _sort_all(self, some: Sequence[Parked]) -> bool:
        """A question that cannot be sorted must not delay others: it is asked at once, so that only it can fail."""
        try:
            return await self._sort(some)
        except (LockLost, *TROUBLE):
            raise
        except Exception as error:  # noqa: BLE001 - it concerns one question only
            if len(some) > 1:
                return all([await self._sort_all([parked]) for parked in some])
            log.error("parked.not_sorted", question=some[0].id, error=type(error).__name__, where=place(error))
            await self._settling.to_standard(some)
            return True

    async def _sort(self, some: Sequence[Parked]) -> bool:
        """Sorts questions of one namespace. False: a server does not respond now."""
        waiting = await self._pending.look(some)
        found = [(each.parked, self._item(each.parked, each.epochs)) for each in waiting]
        items = [item for _, item in found if item.question.cache != "bypass"]
        left = {item.key for item in await self._lookup.similar(items)} if items else set()
        late = any(item.unmatched in NOT_IN_TIME for item in items if item.key in left)
        if late and self._still_waits():
            return False
        todo: list[Sorted] = []
        for parked, item in found:
            if item.key in left or item.question.cache == "bypass":
                todo.append((parked, item))
            else:
                await self._settling.gone(parked, parked.waiters, keep=False)
        return await self._ready(todo)

    def _item(self, parked: Parked, epochs: str) -> OpenQuestion:
        first, *copies = sorted(parked.waiters, key=_looseness)  # a match for the strictest serves all
        typed = any(waiter.question.schema for waiter in parked.waiters)
        question = first.question.with_fields(schema=True) if typed else first.question
        reuse = self._matcher.reuse(question)
        now = self._clock.now_ms()
        item = OpenQuestion(question, LANE, parked.deadline, now, reuse, epochs, epochs)
        item.vector = parked.vector if reuse.semantic else None
        item.copies = [waiter.question for waiter in copies]
        return item

    async def _ready(self, todo: Sequence[Sorted]) -> bool:
        near = await self._twins.near([item for _, item in todo if item.reuse.from_cache])
        if near is None:
            return not self._still_waits() and await self._all_ready(todo)
        self._in_trouble_since = None
        names = list({name: None for some in near for name, _ in some})
        known = {parked.id: parked for parked in await self._store.read(names)}
        candidates = iter(near)
        leaders: list[Sorted] = []
        for parked, item in todo:
            others = next(candidates) if item.reuse.from_cache else []
            if await self._joined(parked, item, [*_near_in(leaders, item), *others], known) is Joining.OTHER_IS_GONE:
                leaders.append((parked, item))
                known[parked.id] = parked
        stored = [(parked.id, item) for parked, item in leaders if item.reuse.from_cache]
        await self._twins.store(stored, self._clock.now_ms())
        return await self._all_ready(leaders)

    async def _all_ready(self, todo: Sequence[Sorted]) -> bool:
        by_pool: dict[str, list[str]] = defaultdict(list)
        for parked, _ in todo:
            by_pool[pool_of(parked.question, self._bounded)].append(parked.id)
        for pool, ids in by_pool.items():
            await self._store.move(ids, NEW, f"ready:{pool}")
        return True

    async def _joined(
        self, parked: Parked, item: OpenQuestion, others: Sequence[tuple[str, float]], known: Mapping[str, Parked]
    ) -> Joining:
        """Joins it to another one, under the rules of a cache hit. One that has changed stays new, and is sorted again:
        if it went on alone, it would be paid for besides the other."""
        for name, similarity in others:
            other = known.get(name)
            if other is None or name == parked.id or not self._may_share(parked, item, other, similarity):
                continue
            waiters = {waiter.field: reworded(waiter, other.question.text, similarity) for waiter in parked.waiters}
            joining = await self._store.join(parked.id, name, waiters)
            if joining is not Joining.OTHER_IS_GONE:
                return joining
        return Joining.OTHER_IS_GONE

    def _may_share(self, parked: Parked, item: OpenQuestion, other: Parked, similarity: float) -> bool:
        same_rules = other.question.scope == item.question.scope and other.epochs == item.epochs
        may = same_rules and _is_fresh(parked, other) and similarity >= item.joins
        return may and self._matcher.matches(item.question, other.question.text, similarity)

    def _still_waits(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._in_trouble_since is None:
            self._in_trouble_since = now
        return now - self._in_trouble_since < PATIENCE


def _is_fresh(parked: Parked, other: Parked) -> bool:
    """Whether both answers are cached for equally long, and the other question has not waited longer than that."""
    ttl = parked.question.ttl
    return other.question.ttl == ttl and (ttl is None or parked.asked - other.asked < ttl * 1000)


def _looseness(waiter: Waiter) -> tuple[bool, float]:
    return not waiter.question.exact_only, -(waiter.question.threshold or 0.0)


def _near_in(leaders: Sequence[Sorted], item: OpenQuestion) -> list[tuple[str, float]]:
    """Among those that have just become leaders, most similar first."""
    vector = item.vector
    if vector is None or not item.reuse.from_cache:
        return []
    found = []
    for parked, leader in leaders:
        other = leader.vector
        if other is None or other.shape != vector.shape or not leader.reuse.from_cache:
            continue
        similarity = float(other @ vector)
        if similarity >= item.reuse.threshold:
            found.append((parked.id, similarity))
    return sorted(found, key=lambda pair: -pair[1])

"""Parks bulk questions of tier `batch` that nothing answers yet, and ends their job's part in them.

A question that matches a live leader follows it, like any other. One near its deadline is asked at once, and so is one
for an endpoint other than chat completions, which batches do not support. So is one whose schema is refused: it then
fails at once, and nothing is paid.
"""

from collections.abc import Callable

from askonce.question import Question
from askonce_worker.answering.chunk_end import left_out
from askonce_worker.answering.coalescing import Coalescer
from askonce_worker.answering.open_question import OpenQuestion
from askonce_worker.answering.ports import Clock
from askonce_worker.parked.records import Packed, Parked, Waiter, packed, parked_id
from askonce_worker.parked.store import NEW, ParkedStore


class BatchParking:
    """margin: seconds before its deadline within which a question does not wait for a batch. refuse: why a question's
    schema cannot be checked."""

    def __init__(
        self,
        store: ParkedStore,
        coalescer: Coalescer,
        clock: Clock,
        *,
        margin: float,
        refuse: Callable[[Question], str | None],
    ) -> None:
        self._refuse = refuse
        self._store = store
        self._coalescer = coalescer
        self._clock = clock
        self._margin_ms = int(margin * 1000)

    async def park(self, todo: list[OpenQuestion]) -> list[OpenQuestion]:
        """Parks questions; returns those that were not parked."""
        latest = self._clock.now_ms() + self._margin_ms
        waits = [item for item in todo if item.deadline > latest and self._is_for_batch(item)]
        joined = self._coalescer.join([item.ask() for item in waits])
        waits = [item for item, follow in zip(waits, joined, strict=True) if follow is None]
        if not waits:
            return todo
        if not await self._store.park([each for item in waits for each in _records(item)]):
            return todo
        left_out(question.job_id for item in waits for question in item.all())
        parked = {item.key for item in waits}
        return [item for item in todo if item.key not in parked]

    def _is_for_batch(self, item: OpenQuestion) -> bool:
        if item.tier != "batch" or item.question.endpoint != "chat":
            return False
        return item.question.schema is None or self._refuse(item.question) is None


def _records(item: OpenQuestion) -> list[tuple[str, Parked, Packed]]:
    """One record per waiter, with a shared id; the first creates the question's. Uncached answers are not shared."""
    records = []
    name = parked_id(item.question, item.epochs, item.asked, shared=item.reuse.from_cache)
    for question in item.all():
        made = packed(question, item.deadline, item.asked)
        waiter = Waiter(question, item.deadline, None, made.waiter)
        parked = Parked(name, NEW, question, item.epochs, 0, (waiter,), item.vector, item.asked)
        records.append((f"{question.namespace}:{question.job_id}", parked, made))
    return records

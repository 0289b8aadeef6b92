"""How `ask` gets its answer: a cache lookup, and the queue for a miss.

After a miss, the next question is likely to miss, too, so one script does both. After a hit it is only looked up,
because a hit should not pay for packing a job. Questions that arrive together are looked up together, and share a job.
"""

from collections.abc import Sequence

from askonce.answer import Answer
from askonce.question import Question
from askonce.session.batching import Batcher
from askonce.session.exact_lookup import ExactLookup, read_entry
from askonce.session.job_queue import JobQueue, Route

MOST = 256
"""Questions in one round trip."""

Item = tuple[Route, Question, str]
"""How a question goes into the queue, the question without a job id, and the id that it gets there."""


class Asking:
    def __init__(self, exact: ExactLookup, queue: JobQueue) -> None:
        self._exact = exact
        self._queue = queue
        self._missed = False
        self._batcher: Batcher[Item, Answer | None] = Batcher(self._ask_all, most=MOST)

    async def __call__(self, route: Route, question: Question, job_id: str) -> Answer | None:
        """The cached answer. None: the question is in the queue, under a job id that nobody else has.

        Raises InvalidQuestion, QueueFull, StoreUnreachable.
        """
        return await self._batcher((route, question, job_id))

    async def aclose(self) -> None:
        await self._batcher.aclose()

    async def _ask_all(self, items: Sequence[Item]) -> list[Answer | Exception | None]:
        if len(items) == 1 and self._missed:
            return [await self._at_once(*items[0])]
        found: list[Answer | Exception | None] = [*await self._exact.find([question for _, question, _ in items])]
        missed = [place for place, answer in enumerate(found) if answer is None]
        self._missed = bool(missed)
        outcomes = await self._queue.put_routed([_named(*items[place]) for place in missed])
        for place, outcome in zip(missed, outcomes, strict=True):
            found[place] = outcome
        return found

    async def _at_once(self, route: Route, question: Question, job_id: str) -> Answer | None:
        cached = await self._queue.put_unless_cached(*_named(route, question, job_id))
        if cached is None:
            return None
        answer = read_entry(question, cached.raw, cached.stamp)
        self._missed = answer is None
        if answer is None:  # an entry that was invalidated, or cannot be read
            await self._queue.put_one(*_named(route, question, job_id))
        return answer


def _named(route: Route, question: Question, job_id: str) -> tuple[Route, Question]:
    return route, question.with_fields(job_id=job_id)

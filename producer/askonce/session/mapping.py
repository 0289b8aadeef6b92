"""`Client.map`: questions in, answers out, with a bound on those in flight."""

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import nullcontext

from askonce.answer import Answer
from askonce.errors import InvalidQuestion, QueueFull, StoreUnreachable
from askonce.json_values import dumps
from askonce.question import Question
from askonce.session.backend import Backend
from askonce.session.iteration import batches
from askonce.session.job_queue import Outcome, new_job_ids
from askonce.session.listener import PATIENCE
from askonce.session.map_item import MapItem, MapOptions
from askonce.session.parsed import with_parsed
from askonce.session.streams import failed, outcome
from askonce.store.away import passes
from askonce.tasks import stop

Item = Question | str
TOGETHER = 512
"""Questions looked up, and then submitted, at a time, so that misses fill chunks."""
HELD = 64 * 2**20
"""Bytes of hits above which no more are looked up until some are yielded."""


class Mapper:
    def __init__(
        self, backend: Backend, checked: Callable[[Item], Question], how: MapOptions, *, chunk_size: int
    ) -> None:
        self._backend = backend
        self._checked = checked
        self._how = how
        self._size = max(1, min(max(TOGETHER, chunk_size), how.in_flight // 4))
        self._out: dict[MapItem, None] = {}
        self._queue: deque[MapItem] = deque()
        """If order is kept, all items in flight; otherwise, those answered."""
        self._ids: list[str] = []
        self._moved = asyncio.Event()
        self._room = asyncio.Event()
        self._held = 0
        """Bytes of hits not yielded yet."""
        self._reached = False
        """Redis has answered once. Until then, an unreachable Redis means a wrong address, and is not waited for."""

    async def run(self, questions: Iterable[Item] | AsyncIterable[Item]) -> AsyncIterator[tuple[Question, Answer]]:
        self._backend.start()
        feeder = asyncio.create_task(self._feed(questions))
        feeder.add_done_callback(lambda _: self._moved.set())
        try:
            while (item := await self._next(feeder)) is not None:
                answer = outcome(item.job, item.answer)
                del self._out[item]
                self._held -= item.size
                self._room.set()
                if item.took is not None:
                    self._backend.count_hit(item.question, answer, item.took)
                elif item.own and item.heard is not None:
                    self._backend.forget(item.job, own=True)
                yield item.question, with_parsed(answer, item.question.schema)
            await feeder
        finally:
            await stop(feeder)
            for item in self._out:
                item.drop(self._backend.waiting)

    async def _next(self, feeder: "asyncio.Task[None]") -> MapItem | None:
        """The next item. None once all are answered, or the source has failed and all before that are."""
        while True:
            if self._queue and self._queue[0].answer.done():
                return self._queue.popleft()
            if feeder.done() and not self._out:
                return None
            self._moved.clear()
            with self._backend.attendance.watched() if self._out else nullcontext():
                await self._moved.wait()

    async def _feed(self, questions: Iterable[Item] | AsyncIterable[Item]) -> None:
        try:
            async for batch in batches(questions, self._size):
                while self._out and len(self._out) + len(batch) > self._how.in_flight:
                    self._room.clear()
                    await self._room.wait()
                await self._take(batch)
        except Exception as error:
            self._fail(error)
            raise

    async def _take(self, batch: list[Item]) -> None:
        entered = [item for item in map(self._enter, batch) if not item.answer.done()]
        hopeful = [item for item in entered if self._may_hit(item)]
        items = [item for item in entered if not self._may_hit(item)]
        del entered  # keeping an answered item would keep its answer, which may be large
        while hopeful or items:
            await self._from_cache(hopeful, items)
            for item in items:
                self._expect(item)
            await self._submit(items)
            items = []

    def _may_hit(self, item: MapItem) -> bool:
        return item.question.cache == "use" and (item.own or not self._how.keep)

    async def _from_cache(self, hopeful: list[MapItem], missed: list[MapItem]) -> None:
        """Looks up as `ask` does: an exact hit needs neither queue nor worker, and leaves no result behind.

        What is looked up leaves `hopeful`; what the cache does not answer goes to `missed`. While many large answers
        wait for one before them, that one is submitted first, and then waited for.
        Raises if Redis has never answered. If it is away for a while, `_submit` waits for it.
        """
        while hopeful:
            if self._held > HELD and missed:
                return
            while self._held > HELD:
                self._room.clear()
                await self._room.wait()
            began = time.perf_counter()
            try:
                hits = await self._backend.lookup_many([item.question for item in hopeful])
            except StoreUnreachable:
                if not self._reached:
                    raise
                missed += hopeful
                hopeful.clear()
                return
            self._reached = True
            took = time.perf_counter() - began
            for item, answer in zip(hopeful, hits, strict=False):
                if answer is None:
                    missed.append(item)
                else:
                    item.took = took
                    item.size = len(dumps(answer.body))
                    self._held += item.size
                    self._finish(item, answer)
            del hopeful[: len(hits)]  # large answers come in several replies: the caller takes some in between

    def _finish(self, item: MapItem, answer: Answer) -> None:
        """Without a job."""
        item.answer.set_result(answer)
        self._finished(item)

    def _expect(self, item: MapItem) -> None:
        if item.own:
            item.question = item.question.with_fields(job_id=self._new_id())
        item.answer.add_done_callback(lambda _: self._finished(item))
        item.expect(self._backend.waiting)

    def _enter(self, raw: Item) -> MapItem:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        try:
            question = self._checked(raw)
        except InvalidQuestion as error:
            item = self._out_goes(MapItem(raw if isinstance(raw, Question) else Question(raw), False, answer))
            self._finish(item, failed(item.question.job_id, "invalid_question", str(error)))
            return item
        return self._out_goes(MapItem(question, question.job_id is None, answer))

    def _out_goes(self, item: MapItem) -> MapItem:
        self._out[item] = None
        if self._how.ordered:
            self._queue.append(item)
        return item

    def _new_id(self) -> str:
        if not self._ids:
            self._ids = new_job_ids(self._size)
        return self._ids.pop()

    def _finished(self, item: MapItem) -> None:
        if not self._how.ordered:
            self._queue.append(item)
        self._moved.set()

    async def _submit(self, items: list[MapItem]) -> None:
        """Submits, waiting for room in a full queue."""
        while items:
            outcomes = await self._put(items)
            full, accepted, pause = [], [], 0.0
            for item, error in zip(items, outcomes, strict=True):
                if isinstance(error, QueueFull):
                    full.append(item)
                    pause = max(pause, error.retry_after)
                elif error is not None:
                    self._refuse(item, error)
                else:
                    accepted.append(item)
            await self._confirm(accepted)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            items = full

    async def _put(self, items: list[MapItem]) -> list[Outcome]:
        """Repeating it is safe: a job id that is known is accepted already."""
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        questions = [item.question for item in items]
        while True:
            try:
                outcomes = await self._backend.put(questions, self._how.lane, self._how.timeout, listen=True)
            except StoreUnreachable as error:
                if not self._reached or not passes(error) or loop.time() > until:
                    raise
            else:
                self._reached = True
                return outcomes
            await asyncio.sleep(0.5)

    def _fail(self, error: Exception) -> None:
        """Fails questions that did not get into the queue, because nothing will answer them."""
        for item in self._out:
            if not item.queued and not item.answer.done():
                item.answer.set_exception(error)
                if item.heard is None:
                    self._finished(item)

    def _refuse(self, item: MapItem, error: InvalidQuestion) -> None:
        if not item.answer.done():
            item.answer.set_result(failed(item.question.job_id, "invalid_question", str(error)))
        if item.heard is not None:
            self._backend.waiting.drop(item.job, item.heard)

    async def _confirm(self, items: list[MapItem]) -> None:
        """Under the caller's own job ids there may already be answers, of which no notification would come."""
        for item in items:
            item.accepted()
            if item.own:
                self._backend.waiting.confirm(item.job)
        foreign = [item.job for item in items if not item.own]
        if not foreign:
            return
        try:
            await self._backend.listen(foreign)
        except StoreUnreachable:
            for job in foreign:
                self._backend.waiting.confirm(job)  # they are asked for again, once Redis is back

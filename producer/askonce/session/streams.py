"""Answers of many jobs as they arrive, in bounded memory."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from askonce.answer import Answer, AnswerError, ErrorKind
from askonce.errors import UnknownJob
from askonce.schemas.wanted import Schema
from askonce.session.backend import Backend
from askonce.session.iteration import batched
from askonce.session.parsed import with_parsed

WINDOW = 2000
"""Jobs that are waited for at a time."""
PART = 250


def failed(job_id: str | None, kind: ErrorKind, message: str) -> Answer:
    return Answer(job_id, "failed", error=AnswerError(kind, message))


def outcome(job: str, future: asyncio.Future[Answer]) -> Answer:
    """The answer; a failed one for an unknown job, because that should not end a stream of a million."""
    try:
        return future.result()
    except UnknownJob as error:
        return failed(job.partition(":")[2], "unknown_job", str(error))


async def as_completed(
    backend: Backend,
    namespace: str,
    job_ids: Iterable[str],
    *,
    forget: bool,
    timeout: float | None,
    schema: Schema | None,
) -> AsyncIterator[Answer]:
    deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout
    parts = batched((f"{namespace}:{job_id}" for job_id in job_ids), PART)
    arrivals = Arrivals(backend)
    backend.start()
    more = True
    try:
        while more or arrivals.open:
            if more and not arrivals.ready and len(arrivals.open) <= WINDOW - PART:
                part = next(parts, [])
                more = bool(part)
                await arrivals.expect(part)
                continue
            job, future = await arrivals.next(deadline)
            answer = outcome(job, future)
            if forget:
                backend.forget(job)
            yield with_parsed(answer, schema)
    finally:
        arrivals.drop()


class Arrivals:
    """Awaited jobs, and the answers that have arrived."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.open: dict[asyncio.Future[Answer], str] = {}
        self.ready: deque[asyncio.Future[Answer]] = deque()
        self._moved = asyncio.Event()

    async def expect(self, jobs: list[str]) -> None:
        for job in jobs:
            future = self._backend.waiting.expect(job)
            self.open[future] = job
            future.add_done_callback(self._arrived)
        await self._backend.listen(jobs)
        await asyncio.sleep(0)  # for the callbacks of what was there already

    async def next(self, deadline: float | None) -> tuple[str, asyncio.Future[Answer]]:
        """Raises AnswerTimeout at the deadline, a time of the event loop's clock."""
        while not self.ready:
            self._moved.clear()
            try:
                with self._backend.attendance.watched():
                    async with asyncio.timeout_at(deadline):
                        await self._moved.wait()
            except TimeoutError:
                job = next(iter(self.open.values()))
                raise await self._backend.attendance.late(job.partition(":")[2]) from None
        future = self.ready.popleft()
        return self.open.pop(future), future

    def drop(self) -> None:
        for future, job in self.open.items():
            future.remove_done_callback(self._arrived)
            self._backend.waiting.drop(job, future)

    def _arrived(self, future: asyncio.Future[Answer]) -> None:
        self.ready.append(future)
        self._moved.set()

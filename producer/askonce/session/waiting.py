"""The answers this process waits for."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from askonce.answer import Answer
from askonce.errors import UnknownJob

AGAIN = 1.0
"""Seconds after which an awaited job is asked for again."""


class Waiting:
    """Jobs by `namespace:job_id`.

    A job is asked for again only from `confirm` on: before, Redis may not know it yet.
    """

    def __init__(self) -> None:
        self._futures: dict[str, list[asyncio.Future[Answer]]] = {}
        self._closed: Exception | None = None
        self._confirmed = asyncio.Event()
        self._due: dict[str, float] = {}  # always in the order of the times, since all wait equally long

    def __contains__(self, job: str) -> bool:
        return job in self._futures

    def __bool__(self) -> bool:
        return bool(self._futures)

    def expect(self, job: str, future: asyncio.Future[Answer] | None = None) -> asyncio.Future[Answer]:
        """A future answer. Must be called before the job is written to Redis, or asked for there."""
        future = future or asyncio.get_running_loop().create_future()
        if self._closed is not None:
            future.set_exception(self._closed)
            return future
        self._futures.setdefault(job, []).append(future)
        return future

    def confirm(self, job: str) -> None:
        """Redis knows the job, and that this client listens."""
        if job in self._futures:
            self._due.pop(job, None)
            self._due[job] = asyncio.get_running_loop().time() + AGAIN
            self._confirmed.set()

    @property
    def may_come(self) -> bool:
        return bool(self._due)

    async def anything(self) -> None:
        """Waits until there is a job whose answer may arrive."""
        while not self._due:
            self._confirmed.clear()
            await self._confirmed.wait()

    def drop(self, job: str, future: asyncio.Future[Answer]) -> None:
        """Gives this future up."""
        if not future.cancel() and not future.cancelled():
            future.exception()  # so that asyncio does not report it as never retrieved
        futures = self._futures.get(job, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                self._remove(job)

    @contextmanager
    def expected(self, job: str) -> Iterator[asyncio.Future[Answer]]:
        """Like `expect`, until the block ends."""
        future = self.expect(job)
        try:
            yield future
        finally:
            self.drop(job, future)

    def arrived(self, job: str, answer: Answer) -> None:
        for future in self._remove(job):
            if not future.done():
                future.set_result(answer)

    def vanished(self, job: str) -> None:
        """Redis does not know the job any more."""
        for future in self._remove(job):
            if not future.done():
                future.set_exception(UnknownJob(job.partition(":")[2]))

    def close(self, error: Exception) -> None:
        """Fails all current and later waiters with this error."""
        self._closed = error
        self.fail_all(error)

    def fail_all(self, error: Exception) -> None:
        for job in list(self._futures):
            for future in self._remove(job):
                if not future.done():
                    future.set_exception(error)

    def overdue(self, most: int) -> list[str]:
        """Jobs to ask for again, those asked for longest ago first."""
        now = asyncio.get_running_loop().time()
        jobs: list[str] = []
        for job, due in self._due.items():
            if due > now or len(jobs) == most:
                break
            jobs.append(job)
        return jobs

    def _remove(self, job: str) -> Sequence[asyncio.Future[Answer]]:
        self._due.pop(job, None)
        return self._futures.pop(job, ())

"""Waiting for one answer: `Client.ask` and `Client.result`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from askonce.answer import Answer
from askonce.errors import AnswerTimeout, AskOnceError, StoreUnreachable
from askonce.question import Question
from askonce.session.backend import Backend
from askonce.session.job_queue import new_job_id

SLOW = "Redis did not answer in time"


async def ask(backend: Backend, question: Question, timeout: float) -> Answer:
    """question: checked. It has the caller's deadline, so that no work remains once the caller gives up."""
    deadline, began = asyncio.get_running_loop().time() + timeout, time.perf_counter()
    job_id = question.job_id or new_job_id()
    job = f"{question.namespace}:{job_id}"
    with backend.waiting.expected(job) as future:
        async with _until(deadline, StoreUnreachable(SLOW)):
            if question.job_id is None:
                cached = await _put_new(backend, question, job_id, timeout)
            else:
                cached = await _put_known(backend, question, timeout)
        if cached is not None:
            backend.count_hit(question, cached, time.perf_counter() - began)
            return cached
        backend.start()
        answer = await _arrival(backend, future, deadline, job_id)
    if question.job_id is None:
        backend.forget(job, own=True)
    return answer


async def _put_new(backend: Backend, question: Question, job_id: str, timeout: float) -> Answer | None:
    """The cached answer. None: the question is in the queue."""
    if question.cache == "use":
        cached = await backend.put_unless_cached(question, job_id, timeout)
        if cached is not None:
            return cached
    else:
        await backend.put_one(question.with_fields(job_id=job_id), "interactive", timeout, listen=True)
    backend.waiting.confirm(f"{question.namespace}:{job_id}")
    return None


async def _put_known(backend: Backend, question: Question, timeout: float) -> Answer | None:
    """The same for a job id that the caller has made."""
    cached = await backend.lookup(question) if question.cache == "use" else None
    if cached is None:
        await backend.put_one(question, "interactive", timeout, listen=True)
        await backend.listen(
            [f"{question.namespace}:{question.job_id}"]
        )  # it may have been known, and answered, before
    return cached


async def result(backend: Backend, namespace: str, job_id: str, timeout: float) -> Answer:
    """Raises UnknownJob, AnswerTimeout."""
    job = f"{namespace}:{job_id}"
    if timeout == 0:
        answer = await backend.peek(job)
        if answer is None:
            raise AnswerTimeout(job_id)
        return answer
    deadline = asyncio.get_running_loop().time() + timeout
    backend.start()
    with backend.waiting.expected(job) as future:
        async with _until(deadline, StoreUnreachable(SLOW)):
            await backend.listen([job])
        return await _arrival(backend, future, deadline, job_id)


async def _arrival(backend: Backend, future: asyncio.Future[Answer], deadline: float, job_id: str) -> Answer:
    """Raises AnswerTimeout at the deadline, with a reason if no worker is alive."""
    try:
        with backend.attendance.watched():
            async with asyncio.timeout_at(deadline):
                return await future
    except TimeoutError as error:
        raise await backend.attendance.late(job_id) from error


@asynccontextmanager
async def _until(deadline: float, late: AskOnceError) -> AsyncIterator[None]:
    """deadline: a time of the event loop's clock, at which `late` is raised."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise late from error

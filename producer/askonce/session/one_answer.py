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
    """question: checked. Its deadline is the caller's, so that no work is left behind once the caller gives up."""
    deadline = asyncio.get_running_loop().time() + timeout
    if question.cache == "use":
        began = time.perf_counter()
        async with _until(deadline, StoreUnreachable(SLOW)):
            cached = await backend.lookup(question)
        if cached is not None:
            backend.count_hit(question, cached, time.perf_counter() - began)
            return cached
    own = question.job_id is None
    if own:
        question = question.with_fields(job_id=new_job_id())
    job = f"{question.namespace}:{question.job_id}"
    backend.start()
    with backend.waiting.expected(job) as future:
        async with _until(deadline, StoreUnreachable(SLOW)):
            await backend.put_one(question, "interactive", timeout, listen=True)
            if own:
                backend.waiting.confirm(job)
            else:
                await backend.listen([job])  # it may have been known, and answered, before
        answer = await _arrival(backend, future, deadline, question.job_id or "")
    if own:
        backend.forget(job)
    return answer


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
    """Raises AnswerTimeout at the deadline, with the reason where no worker is alive."""
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

"""Tasks that ask: `celery -A tasks worker`. Settings come from the environment: ASKONCE_REDIS_URL, ASKONCE_MODEL,
CELERY_BROKER_URL, CELERY_RESULT_BACKEND.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from celery import Celery, Task

import askonce
from askonce import AnswerTimeout, Question, QueueFull, StoreUnreachable

T = TypeVar("T")
LATER = (AnswerTimeout, QueueFull, StoreUnreachable)

app = Celery("tasks")
app.conf.update(
    task_acks_late=True,  # whatever runs twice asks once: a task may be delivered again
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=86_400,
)
client = askonce.Client()  # no I/O here: each process of the prefork pool connects for itself


@app.task(autoretry_for=LATER, retry_backoff=True, max_retries=8)
def ask(text: str) -> str | None:
    """For one answer that is soon there: a process of the pool waits for it."""
    return askonce.ask(text, client=client, timeout=60).text


@app.task(bind=True, autoretry_for=LATER, retry_backoff=True, max_retries=8)
def submit(self: Task, texts: list[str]) -> list[str]:
    """For many: returns at once. Each job id is made of the task's, so a second run of it submits nothing anew."""
    questions = [Question(text, job_id=f"{self.request.id}/{place}") for place, text in enumerate(texts)]
    return run(lambda own: own.submit_many(questions, timeout=3600))


@app.task(bind=True, autoretry_for=[StoreUnreachable], retry_backoff=True, max_retries=None)
def collect(self: Task, job_ids: list[str]) -> dict[str, str | None]:
    """Looks, and comes back in five seconds: no process waits. It ends, since each question has its deadline."""
    if {"queued", "running"} & set(run(lambda own: own.status(job_ids)).values()):
        raise self.retry(countdown=5)
    return run(lambda own: texts_of(own, job_ids))


async def texts_of(own: askonce.Client, job_ids: list[str]) -> dict[str, str | None]:
    answers = [answer async for answer in own.as_completed(job_ids)]
    return {answer.job_id: f"failed: {answer.error.kind}" if answer.error else answer.text for answer in answers}


def run(work: Callable[[askonce.Client], Awaitable[T]]) -> T:
    """The asynchronous client in a synchronous task: a loop for this call, and a client of its own, closed with it.
    That of `ask` stays open."""

    async def closing() -> T:
        async with askonce.Client() as own:
            return await work(own)

    return asyncio.run(closing())

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
    task_acks_late=True,  # safe, because a task that runs twice asks once
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=86_400,
)
client = askonce.Client()  # no I/O here: each process of the prefork pool opens its own connection


@app.task(autoretry_for=LATER, retry_backoff=True, max_retries=8)
def ask(text: str) -> str | None:
    """For a single answer that takes seconds: a process of the pool waits for it."""
    return askonce.ask(text, client=client, timeout=60).text


@app.task(bind=True, autoretry_for=LATER, retry_backoff=True, max_retries=8)
def submit(self: Task, texts: list[str]) -> list[str]:
    """For many answers: returns at once. Job ids are derived from the task id, so a second run submits nothing new."""
    questions = [Question(text, job_id=f"{self.request.id}/{place}") for place, text in enumerate(texts)]
    return run(lambda own: own.submit_many(questions, timeout=3600))


@app.task(bind=True, autoretry_for=[StoreUnreachable], retry_backoff=True, max_retries=None)
def collect(self: Task, job_ids: list[str]) -> dict[str, str | None]:
    """Checks every five seconds, and no process waits. It always ends, because each question has a deadline."""
    if {"queued", "running"} & set(run(lambda own: own.status(job_ids)).values()):
        raise self.retry(countdown=5)
    return run(lambda own: texts_of(own, job_ids))


async def texts_of(own: askonce.Client, job_ids: list[str]) -> dict[str, str | None]:
    answers = [answer async for answer in own.as_completed(job_ids)]
    return {answer.job_id: f"failed: {answer.error.kind}" if answer.error else answer.text for answer in answers}


def run(work: Callable[[askonce.Client], Awaitable[T]]) -> T:
    """Use the asynchronous client in a synchronous task. This call gets its own event loop and client, both closed
    afterwards; the client that `ask` uses stays open."""

    async def closing() -> T:
        async with askonce.Client() as own:
            return await work(own)

    return asyncio.run(closing())

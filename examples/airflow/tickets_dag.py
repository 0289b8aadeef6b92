"""Asks about each row of a CSV file in one task and collects in another: no slot is held while the model works.

Settings come from the workers' environment: ASKONCE_REDIS_URL, ASKONCE_MODEL. TICKETS is the path of the CSV file.
"""

import asyncio
import csv
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from airflow.sdk import dag, task

from askonce import Client, Question

T = TypeVar("T")
TEMPLATE = "Classify the message of a customer as one of delivery, refund, account, bug, other. Message: {text}"


def asking(work: Callable[[Client], Awaitable[T]]) -> T:
    """Each task runs in its own process, so it opens a client for this work and closes its connections afterwards."""

    async def closing() -> T:
        async with Client() as client:
            return await work(client)

    return asyncio.run(closing())


def ids_of(batch: dict) -> list[str]:
    """Derived from the run instead of passed on: a million ids do not belong in XCom."""
    return [f"{batch['key']}/{place}" for place in range(batch["questions"])]


@dag(schedule="@daily", catchup=False, default_args={"retries": 3, "retry_delay": timedelta(minutes=1)})
def tickets():
    @task
    def submit(run_id: str | None = None) -> dict:
        """A retry or restart submits the same job ids, so nothing is asked or paid for twice."""
        with Path(os.environ["TICKETS"]).open(newline="") as file:
            messages = [row["message"] for row in csv.DictReader(file)]
        batch = {"key": f"tickets/{run_id}", "questions": len(messages)}
        questions = [
            Question(text, template=TEMPLATE, job_id=job_id)
            for text, job_id in zip(messages, ids_of(batch), strict=True)
        ]
        asking(lambda client: client.submit_many(questions, timeout=6 * 3600))
        return batch

    @task.sensor(poke_interval=30, timeout=7 * 3600, mode="reschedule")
    def answered(batch: dict) -> bool:
        """Checks the jobs and releases its slot. It always ends, because each question has a deadline."""
        states = asking(lambda client: client.status(ids_of(batch)))
        return not {"queued", "running"} & set(states.values())

    @task
    def collect(batch: dict) -> dict[str, int]:
        async def topics(client: Client) -> Counter[str]:
            answers = client.as_completed(ids_of(batch), timeout=600)
            return Counter([f"failed: {a.error.kind}" if a.error else a.text async for a in answers])

        counts = asking(topics)
        print("topics:", dict(counts))
        return dict(counts)

    batch = submit()
    answered(batch) >> collect(batch)


tickets()

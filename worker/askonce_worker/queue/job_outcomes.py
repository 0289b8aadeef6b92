"""The outcome of a job, and the dead letter of one that is given up."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from askonce.readable import read_json
from askonce_worker.queue.leased_job import LeasedJob

KEPT_OF_UNREADABLE = 10_000
"""Bytes kept of an unreadable record: enough to see what it may have been."""


@dataclass(frozen=True, slots=True)
class Done:
    job: LeasedJob


@dataclass(frozen=True, slots=True)
class Return:
    """Returns the job to the queue: after `delay_ms`, or at once and in front.

    Attributes:
        failures: to add to the job's own.
        lapses: minimum number the job counts from now on.
    """

    job: LeasedJob
    delay_ms: int | None = None
    failures: int = 0
    lapses: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """parts: records of the replacing jobs, by name. lapses, failures: initial values for each."""

    job: LeasedJob
    parts: Mapping[str, bytes]
    lapses: int
    failures: int


@dataclass(frozen=True, slots=True)
class Bury:
    job: LeasedJob
    cause: str


JobOutcome = Done | Return | Split | Bury


def dead_letter(item: Bury, now_ms: int) -> bytes:
    """{"job", "lane", "cause", "tries", "at" (Unix ms), "record": arq's job record or, if unreadable, the beginning of
    its text}"""
    job = item.job
    try:
        record = read_json(job.record)
    except ValueError:
        record = job.record[:KEPT_OF_UNREADABLE].decode("utf-8", "backslashreplace")
    tries = job.lapses + job.failures
    return orjson.dumps(
        {"job": job.job, "lane": job.lane, "cause": item.cause, "tries": tries, "at": now_ms, "record": record}
    )

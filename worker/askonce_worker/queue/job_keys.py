"""The keys and arguments of the scripts that end a job (`end_job.lua`)."""

from typing import Any

from askonce.contract.keys import ARQ_JOB, LANES, Keys
from askonce_worker.queue.leased_job import LeasedJob

ARQ_RETRY = "arq:retry:"
LANE_NUMBER = {lane: number for number, lane in enumerate(LANES, 1)}
JOB_PREFIXES = (ARQ_JOB, ARQ_RETRY)


def ending_keys(keys: Keys) -> list[str]:
    return [*map(keys.leases, LANES), *map(keys.tokens, LANES), keys.load]


def ending(job: LeasedJob) -> tuple[Any, ...]:
    """The arguments of one job."""
    return LANE_NUMBER[job.lane], job.job, job.token, job.questions

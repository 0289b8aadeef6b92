"""The namespaces whose questions are waiting, estimated from the first jobs of each lane."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from askonce.contract.keys import ARQ_JOB, LANES, Keys
from askonce.operator.entry_count import TEXT
from askonce.operator.live_state import ENQUEUED
from askonce.store.connection import Store
from askonce.store.wire import Command

SAMPLE = 100
"""Jobs read of a lane. The bulk lane is in fair order, so each namespace is among the first."""
HEAD_BYTES = 600
"""A job's namespace is at the beginning of its chunk, its time at the end of the record."""
_NAMESPACE = re.compile(rb'"namespace":' + TEXT)


@dataclass(frozen=True, slots=True)
class Waiting:
    """jobs: among those read. questions: estimated total waiting; None if unknown."""

    lane: str
    namespace: str
    jobs: int
    questions: int | None
    oldest_s: float


async def read_waiting(store: Store, keys: Keys) -> list[Waiting]:
    """Takes three round trips. In each lane, the namespace that has waited longest comes first."""
    clock, *queues = await store.pipeline([("TIME",), *(("ZRANGE", keys.queue(lane), 0, SAMPLE - 1) for lane in LANES)])
    now_ms = int(clock[0]) * 1000 + int(clock[1]) // 1000
    jobs = [(lane, job.decode()) for lane, queue in zip(LANES, queues, strict=True) for job in queue]
    commands: list[Command] = []
    for _, job in jobs:
        commands += [
            ("GETRANGE", ARQ_JOB + job, 0, HEAD_BYTES - 1),
            ("GETRANGE", ARQ_JOB + job, -40, -1),
        ]
    replies: list[Any] = await store.pipeline(commands) if commands else []
    ages: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for (lane, _), head, end in zip(jobs, replies[::2], replies[1::2], strict=True):
        named, enqueued = _NAMESPACE.search(head), ENQUEUED.search(end)
        if named and enqueued:
            ages[lane, orjson.loads(named[1])].append(max(0.0, (now_ms - int(enqueued[1])) / 1000))
    spaces = [space for lane, space in ages if lane == "bulk"]
    queued = dict(zip(spaces, await _in_bulk(store, keys, spaces), strict=True))
    found = [
        Waiting(lane, space, len(each), queued.get(space) if lane == "bulk" else None, max(each))
        for (lane, space), each in ages.items()
    ]
    return sorted(found, key=lambda each: (LANES.index(each.lane), -each.oldest_s))


async def _in_bulk(store: Store, keys: Keys, spaces: Sequence[str]) -> list[int]:
    """A namespace's finish time is ahead of the current one by the number of its waiting questions."""
    if not spaces:
        return []
    [times] = await store.pipeline([("HMGET", keys.fair, "", *spaces)])
    present, *ends = (int(float(each or 0)) for each in times)
    return [max(0, end - present) for end in ends]

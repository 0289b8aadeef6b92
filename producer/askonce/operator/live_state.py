"""The current state of the installation: workers, entries, vectors waiting for Qdrant, and the lanes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from askonce.contract.keys import ARQ_JOB, FILLED, FILLING, LANES, PARKED, Keys
from askonce.operator.budgets import BudgetState, read_budgets
from askonce.readable import read_object, time_of
from askonce.store.connection import Store
from askonce.store.wire import Command

SAMPLE = 200
"""Entries sampled for the average size, and jobs of a lane searched for the oldest. A lane is in fair order, so the
oldest job of each namespace comes first."""
ENQUEUED = re.compile(rb'"et":(\d+)')


@dataclass(frozen=True, slots=True)
class LaneState:
    """oldest_s: seconds since the oldest job was submitted; None if the lane is empty."""

    waiting_jobs: int
    running_jobs: int
    questions: int
    oldest_s: float | None


@dataclass(frozen=True, slots=True)
class LiveState:
    """What `askonce stats --json` prints as `now`.

    vectors_filling, vectors_filled: for a collection being refilled, about how many vectors it will have, and how many
    were made; otherwise 0.

    entries_bytes: estimated from a sample, without Redis's own overhead. vectors_oldest_s: age of the oldest waiting
    vector in seconds; None if none waits. parked: questions waiting for a provider batch, or in one.
    provider_batches: those that have not ended.
    """

    entries: int
    entries_bytes: int
    vectors_waiting: int
    vectors_oldest_s: float | None
    vectors_filling: int
    vectors_filled: int
    workers: int
    dead_letters: int
    parked: int
    provider_batches: int
    lanes: dict[str, LaneState]
    budgets: list[BudgetState]


class _LaneReply(NamedTuple):
    """The replies to `_lane_commands`. sample_*: names of jobs."""

    waiting: int
    sample_waiting: list[bytes]
    alone: int
    sample_alone: list[bytes]
    running: int
    sample_running: list[bytes]


class _Reply(NamedTuple):
    """The replies to `_commands`."""

    entries: int
    sample_entries: list[bytes]
    vectors: int
    oldest_vector: list[Any]
    workers: int
    dead: int
    load: list[bytes | None]
    batches: int
    refill: list[bytes | None]
    budgets: Any


async def read_state(store: Store, keys: Keys, *, now_ms: int, sample: int = SAMPLE) -> LiveState:
    """Takes three round trips. sample: how many entries, and how many jobs of each lane, are examined."""
    commands = [
        *_commands(keys, now_ms, sample),
        *(each for lane in LANES for each in _lane_commands(keys, lane, sample)),
    ]
    replies = await store.pipeline(commands)
    size = len(_Reply._fields)
    found = _Reply(*replies[:size])
    width = len(_LaneReply._fields)
    lanes = [_LaneReply(*replies[at : at + width]) for at in range(size, len(replies), width)]
    return LiveState(
        entries=found.entries,
        entries_bytes=await _size_of(store, keys, found.entries, found.sample_entries),
        vectors_waiting=found.vectors,
        vectors_oldest_s=_stream_age(found.oldest_vector, now_ms),
        vectors_filling=_texts_of(found.refill[0]),
        vectors_filled=int(found.refill[1] or 0),
        workers=found.workers,
        dead_letters=found.dead,
        parked=int(found.load[-1] or 0),
        provider_batches=found.batches,
        lanes={
            lane: LaneState(
                waiting_jobs=reply.waiting + reply.alone,
                running_jobs=reply.running,
                questions=int(questions or 0),
                oldest_s=await _age_of(
                    store, [*reply.sample_waiting, *reply.sample_alone, *reply.sample_running], now_ms
                ),
            )
            for lane, reply, questions in zip(LANES, lanes, found.load[:-1], strict=True)
        },
        budgets=read_budgets(found.budgets, now=now_ms // 1000),
    )


def _texts_of(refill: bytes | None) -> int:
    """The number of texts in a worker's record of a refill (`refill_news.py`)."""
    try:
        return 0 if refill is None else time_of(read_object(refill), "texts")
    except ValueError:
        return 0


def _commands(keys: Keys, now_ms: int, sample: int) -> list[Command]:
    return [
        ("ZCARD", keys.touched),
        ("ZRANDMEMBER", keys.touched, sample),
        ("XLEN", keys.outbox),
        ("XRANGE", keys.outbox, "-", "+", "COUNT", 1),
        ("ZCOUNT", keys.workers, now_ms, "+inf"),
        ("HLEN", keys.dead),
        ("HMGET", keys.load, *LANES, PARKED),
        ("ZCARD", keys.parked("batches")),
        ("HMGET", keys.upkeep, FILLING, FILLED),
        ("HGETALL", keys.budgets.sums),
    ]


def _lane_commands(keys: Keys, lane: str, sample: int) -> list[Command]:
    commands: list[Command] = []
    for jobs in (keys.queue(lane), keys.alone(lane), keys.leases(lane)):
        commands += [("ZCARD", jobs), ("ZRANGE", jobs, 0, sample - 1)]
    return commands


def _stream_age(oldest: Sequence[Any], now_ms: int) -> float | None:
    """Age of the oldest item of a stream, from its id, which begins with Unix ms."""
    return max(0.0, (now_ms - int(oldest[0][0].partition(b"-")[0])) / 1000) if oldest else None


async def _size_of(store: Store, keys: Keys, entries: int, sample: Sequence[bytes]) -> int:
    if not sample:
        return 0
    sizes: list[int] = await store.pipeline([("STRLEN", keys.entry(name.decode())) for name in sample])
    return round(sum(sizes) / len(sizes) * entries)


async def _age_of(store: Store, jobs: Sequence[bytes], now_ms: int) -> float | None:
    """Seconds since the oldest of these was submitted. A job's record ends with that time."""
    if not jobs:
        return None
    ends = await store.pipeline([("GETRANGE", f"{ARQ_JOB}{job.decode()}", -40, -1) for job in jobs])
    times = [int(found[1]) for end in ends if (found := ENQUEUED.search(end))]
    return max(0.0, (now_ms - min(times)) / 1000) if times else None

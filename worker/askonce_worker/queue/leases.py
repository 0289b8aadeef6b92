"""Leased jobs: a typed wrapper over the scripts that claim, renew and end them. Every change is fenced by a token."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from askonce.contract.keys import ARQ_JOB, LANES, Keys
from askonce.readable import read_json
from askonce.store.scripts import Script
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.leased_job import LeasedJob, leased_job
from askonce_worker.redis.clock import RedisClock

CLAIM = Script("askonce_worker.queue", "claim_jobs")
RENEW = Script("askonce_worker.queue", "renew")
FINISH = Script("askonce_worker.queue", "finish_job")
RETURN = Script("askonce_worker.queue", "return_job")
SPLIT = Script("askonce_worker.queue", "split_job")
BURY = Script("askonce_worker.queue", "bury_job")

ARQ_RETRY = "arq:retry:"
PLACE = {lane: place for place, lane in enumerate(LANES, 1)}
MOST_AT_ONCE = 256
REPLY_TIMEOUT = 5.0
KEPT_OF_UNREADABLE = 10_000
"""Bytes. No question can be told from such a record: this much says what it may have been."""


@dataclass(frozen=True, slots=True)
class Claim:
    """jobs: leased from now on. gone: their records had expired, and they are removed.

    interactive_behind, bulk_behind: whether jobs stay that are due as well.
    """

    jobs: list[LeasedJob]
    gone: list[str]
    interactive_behind: bool
    bulk_behind: bool

    @property
    def behind(self) -> bool:
        return self.interactive_behind or self.bulk_behind


@dataclass(frozen=True, slots=True)
class Done:
    job: LeasedJob


@dataclass(frozen=True, slots=True)
class Return:
    """Back into the queue: after `delay_ms`, or at once and in front. failures: to add to the job's own."""

    job: LeasedJob
    delay_ms: int | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Split:
    """parts: the jobs that take its place with their records, each with so many lapses and failures."""

    job: LeasedJob
    parts: Mapping[str, bytes]
    lapses: int
    failures: int


@dataclass(frozen=True, slots=True)
class Bury:
    job: LeasedJob
    cause: str


Outcome = Done | Return | Split | Bury


class Leases:
    """lease: seconds. Every method raises one of TROUBLE while Redis is away, and may then simply be called again."""

    def __init__(self, redis: Redis, keys: Keys, clock: RedisClock, *, worker: str, lease: float) -> None:
        self.worker = worker
        self.lease = lease
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._queues = [keys.queue(lane) for lane in LANES]
        self._leases = [keys.leases(lane) for lane in LANES]
        self._tokens = [keys.tokens(lane) for lane in LANES]
        self._ending_keys = [*self._leases, *self._tokens, keys.load]
        self._alone = [keys.alone(lane) for lane in LANES]
        self._claim_keys = [keys.fair, keys.wake, keys.workers, keys.load, *self._alone, keys.doubted]
        self._lease_ms = int(lease * 1000)

    async def claim(self, token: str, *, free: int, bulk: int, alone: bool, held_back: Collection[Flow] = ()) -> Claim:
        """At most `free` jobs, `bulk` of them from the bulk lane; or, if `alone`, one that has to run alone.

        None of these flows, unless it is a job whose lease has lapsed.

        Raises TimeoutError where Redis got it too late.
        """
        keys = [*self._queues, *self._leases, *self._tokens, *self._claim_keys]
        free = min(free, MOST_AT_ONCE)
        sent = self._clock.now_ms()
        args = [self.worker, token, self._lease_ms, free, min(free, bulk), int(alone), ARQ_JOB, sent]
        args += [f"{PLACE[flow.lane]}\n{flow.namespace}\n{flow.model}" for flow in held_back]
        reply = await self._timed(CLAIM, keys, args)
        if not reply:
            raise TimeoutError("Redis got the claim too late")
        interactive_behind, bulk_behind, *found = reply
        jobs, gone = [], []
        for place, raw, lapses, failures, record in found:
            name = raw.decode("utf-8", "replace")
            if name.encode() != raw and record is not None:
                # No client of ours has named it: it ends, and would kill every worker if it went on.
                await self._run(FINISH, self._ending_keys, [ARQ_JOB, ARQ_RETRY, place, raw, token, 0])
                record = None  # noqa: PLW2901
            if record is None:
                gone.append(name)
            else:
                jobs.append(leased_job(name, LANES[place - 1], token, lapses, failures, record))
        return Claim(jobs, gone, interactive_behind > 0, bulk_behind > 0)

    async def renew(self, jobs: Sequence[LeasedJob]) -> list[LeasedJob]:
        """Returns those whose lease is somebody else's by now."""
        args: list[Any] = [self.worker, self._lease_ms]
        for job in jobs:
            args += (PLACE[job.lane], job.job, job.token)
        keys = [*self._leases, *self._tokens, self._keys.workers, self._keys.doubted]
        lost = await self._timed(RENEW, keys, args)
        return [jobs[int(place)] for place in lost]

    async def finish(self, done: Sequence[Done]) -> list[bool]:
        """For each whether its lease was still ours; so with those below."""
        args: list[Any] = [ARQ_JOB, ARQ_RETRY]
        for item in done:
            args += (PLACE[item.job.lane], item.job.job, item.job.token, item.job.questions)
        return await self._flags(FINISH, self._ending_keys, args)

    async def give_back(self, returns: Sequence[Return]) -> list[bool]:
        args: list[Any] = []
        for item in returns:
            delay = "" if item.delay_ms is None else item.delay_ms
            args += (PLACE[item.job.lane], item.job.job, item.job.token, delay, item.failures)
        keys = [*self._queues, *self._leases, *self._tokens, self._keys.wake, *self._alone]
        return await self._flags(RETURN, keys, args)

    async def split(self, item: Split) -> bool:
        job = item.job
        name = self._keys
        keys = [name.queue(job.lane), name.leases(job.lane), name.tokens(job.lane), name.wake, name.alone(job.lane)]
        args: list[Any] = [ARQ_JOB, ARQ_RETRY, job.job, job.token, item.lapses, item.failures]
        for part in item.parts.items():
            args += part
        return bool(await self._run(SPLIT, keys, args))

    async def bury(self, item: Bury) -> bool:
        job = item.job
        keys = [self._keys.leases(job.lane), self._keys.tokens(job.lane), self._keys.load, self._keys.dead]
        letter = dead_letter(item, self._clock.now_ms())
        args = [ARQ_JOB, ARQ_RETRY, job.job, job.token, job.lane, job.questions, letter]
        return bool(await self._run(BURY, keys, args))

    async def woken(self, seconds: int) -> bool:
        """Takes a wake-up token, and a connection of its own for as long as it waits for one."""
        async with asyncio.timeout(seconds + REPLY_TIMEOUT):
            return await self._redis.blpop([self._keys.wake], timeout=seconds) is not None  # type: ignore[misc]

    async def wake_another(self) -> None:
        async with asyncio.timeout(REPLY_TIMEOUT):
            await self._redis.lpush(self._keys.wake, "1")  # type: ignore[misc]

    async def sign_off(self) -> None:
        """This worker lives no more: nobody needs to wait for its lease."""
        async with asyncio.timeout(REPLY_TIMEOUT):
            await self._redis.zrem(self._keys.workers, self.worker)

    async def _flags(self, script: Script, keys: list[str], args: list[Any]) -> list[bool]:
        return [bool(flag) for flag in await self._run(script, keys, args)]

    async def _timed(self, script: Script, keys: list[str], args: list[Any]) -> list[Any]:
        sent = time.monotonic()
        now_ms: int
        rest: list[Any]
        now_ms, *rest = await self._run(script, keys, args)
        self._clock.observe(now_ms, sent=sent, received=time.monotonic())
        return rest

    async def _run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        async with asyncio.timeout(REPLY_TIMEOUT):
            return await script(self._redis, keys, args)


def dead_letter(item: Bury, now_ms: int) -> bytes:
    """{"job", "lane", "cause", "tries", "at" (Unix ms), "record": arq's job record, or where that cannot be read the
    beginning of its text}"""
    job = item.job
    try:
        record = read_json(job.record)
    except ValueError:
        record = job.record[:KEPT_OF_UNREADABLE].decode("utf-8", "backslashreplace")
    tries = job.lapses + job.failures
    return orjson.dumps(
        {"job": job.job, "lane": job.lane, "cause": item.cause, "tries": tries, "at": now_ms, "record": record}
    )

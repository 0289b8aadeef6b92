"""A typed wrapper over the scripts that claim, renew and end jobs. A token fences every change."""

import asyncio
import itertools
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from askonce.contract.keys import ARQ_JOB, LANES, Keys
from askonce.store.scripts import Script
from askonce_worker.queue.flow import Flow
from askonce_worker.queue.job_keys import ARQ_RETRY, LANE_NUMBER, ending, ending_keys
from askonce_worker.queue.job_outcomes import Bury, Done, Return, Split, dead_letter
from askonce_worker.queue.leased_job import LeasedJob, Seen, leased_job
from askonce_worker.queue.wake_ups import REPLY_TIMEOUT, WakeUps
from askonce_worker.redis.clock import RedisClock

CLAIM = Script("askonce_worker.queue", "claim_jobs")
RENEW = Script("askonce_worker.queue", "renew")
FINISH = Script("askonce_worker.queue", "finish_job")
RETURN = Script("askonce_worker.queue", "return_job")
SPLIT = Script("askonce_worker.queue", "split_job")
BURY = Script("askonce_worker.queue", "bury_job")

MOST_AT_ONCE = 256
SIGNS = 6
"""How often per lease a claim also counts as a heartbeat, in addition to renewals."""


class ClaimedRow(NamedTuple):
    """A job in the reply of claim_jobs.lua. lane: 1 or 2. record: None if expired. seen: from seen.lua."""

    lane: int
    job: bytes
    lapses: int
    failures: int
    record: bytes | None
    seen: list[Any] | None = None

    @property
    def text(self) -> str:
        return self.job.decode("utf-8", "replace")

    @property
    def is_foreign(self) -> bool:
        """Whether its name is not UTF-8."""
        return self.text.encode() != self.job


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of one claim.

    Attributes:
        jobs: leased from now on.
        gone: jobs whose records had expired; they were removed.
        interactive_behind, bulk_behind: whether more jobs of this lane are due.
        suspects: whether jobs wait that must run in a process of their own.
    """

    jobs: list[LeasedJob]
    gone: list[str]
    interactive_behind: bool
    bulk_behind: bool
    suspects: bool

    @property
    def behind(self) -> bool:
        return self.interactive_behind or self.bulk_behind


class Leases:
    """lease: seconds. note: returns the coalescer's position. While Redis is away, methods raise one of TROUBLE, and
    can simply be called again."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        clock: RedisClock,
        *,
        worker: str,
        lease: float,
        note: Callable[[], Any] = lambda: None,
    ) -> None:
        self.worker = worker
        self.lease = lease
        self._redis = redis
        self._keys = keys
        self._clock = clock
        self._note = note
        self.wake_ups = WakeUps(redis, keys, worker)
        self._queues = [keys.queue(lane) for lane in LANES]
        self._leases = [keys.leases(lane) for lane in LANES]
        self._tokens = [keys.tokens(lane) for lane in LANES]
        self._ending_keys = ending_keys(keys)
        self._alone = [keys.alone(lane) for lane in LANES]
        self._claim_keys = [keys.fair, keys.wake, keys.workers, keys.load, *self._alone, keys.doubted]
        self._lease_ms = int(lease * 1000)
        self._tokens_made = itertools.count(1)
        self._skip = 0
        self._signed = -float("inf")

    async def claim(
        self,
        *,
        free: int,
        bulk: int,
        lapsed: tuple[int, int] | None,
        held_back: Collection[Flow] = (),
        token: str = "",
        listens: bool = False,
    ) -> Claim:
        """Claims jobs whose leases have lapsed, then jobs that are due.

        Args:
            free: maximum due jobs to claim; a lapsed job takes the place of one.
            bulk: maximum of these from the bulk lane.
            lapsed: maximum lapsed jobs to claim, and maximum of these from the bulk lane. None: looks for neither
                lapsed jobs nor suspects.
            held_back: flows from which only lapsed jobs are claimed.
            token: the wake-up that led to this. It is passed to other workers if this one cannot take its job.
            listens: whether this worker waits for the next one afterwards.

        Raises:
            TimeoutError: Redis received it too late.
        """
        flows = [f"{LANE_NUMBER[flow.lane]}\n{flow.namespace}\n{flow.model}" for flow in held_back]
        most = [min(most, MOST_AT_ONCE) for most in (*(lapsed or ()), free, min(free, bulk))]
        return await self._claim([*([] if lapsed else ["", ""]), *most], "", [token, *flows], listens=listens)

    async def claim_suspect(self) -> Claim:
        """Claims one job that must run without others in its process.

        Raises:
            TimeoutError: Redis received it too late.
        """
        return await self._claim([1, 1, 1, 1], "suspects", [""])

    async def _claim(self, most: list[Any], which: str, rest: list[str], *, listens: bool = False) -> Claim:
        token = f"{self.worker}-{next(self._tokens_made)}"
        keys = [*self._queues, *self._leases, *self._tokens, *self._claim_keys]
        wake_up, *flows = rest
        now = time.monotonic()
        sign = "" if now - self._signed < self.lease / SIGNS else "1"
        args = [self.worker, token, self._lease_ms, *most, which, ARQ_JOB, self._clock.now_ms(), self._skip]
        position = self._note()
        reply = await self._timed(CLAIM, keys, [*args, wake_up, sign, *flows], listens=listens)
        if not reply:
            raise TimeoutError("Redis received the claim too late")
        self._signed = now if sign else self._signed
        interactive_behind, bulk_behind, suspects, self._skip, *found = reply
        jobs, gone = [], []
        for row in (ClaimedRow(*fields) for fields in found):
            if row.record is None:
                gone.append(row.text)
            elif row.is_foreign:
                # No askonce client made this name. It is ended, because it would kill every worker.
                await self._run(FINISH, self._ending_keys, [ARQ_JOB, ARQ_RETRY, row.lane, row.job, token, 0])
                gone.append(row.text)
            else:
                lane = LANES[row.lane - 1]
                seen = None if row.seen is None else Seen(position, *row.seen)
                jobs.append(leased_job(row.text, lane, token, row.lapses, row.failures, row.record, seen))
        return Claim(jobs, gone, interactive_behind > 0, bulk_behind > 0, suspects > 0)

    async def renew(self, jobs: Sequence[LeasedJob]) -> list[LeasedJob]:
        """Renews leases. Returns the jobs whose lease another worker has."""
        args: list[Any] = [self.worker, self._lease_ms]
        for job in jobs:
            args += (LANE_NUMBER[job.lane], job.job, job.token)
        keys = [*self._leases, *self._tokens, self._keys.workers, self._keys.doubted]
        now, self._signed = time.monotonic(), -float("inf")
        lost = await self._timed(RENEW, keys, args)
        self._signed = now
        return [jobs[int(place)] for place in lost]

    async def finish(self, done: Sequence[Done]) -> list[bool]:
        """Returns for each job whether this worker still had its lease, as the methods below do."""
        args: list[Any] = [ARQ_JOB, ARQ_RETRY]
        for item in done:
            args += ending(item.job)
        return await self._flags(FINISH, self._ending_keys, args)

    async def give_back(self, returns: Sequence[Return]) -> list[bool]:
        args: list[Any] = []
        for item in returns:
            delay = "" if item.delay_ms is None else item.delay_ms
            args += (LANE_NUMBER[item.job.lane], item.job.job, item.job.token, delay, item.failures, item.lapses)
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

    async def sign_off(self) -> None:
        """Removes this worker's heartbeat, so that nobody waits for it to expire."""
        async with asyncio.timeout(REPLY_TIMEOUT):
            await self._redis.zrem(self._keys.workers, self.worker)

    async def _flags(self, script: Script, keys: list[str], args: list[Any]) -> list[bool]:
        return [bool(flag) for flag in await self._run(script, keys, args)]

    async def _timed(self, script: Script, keys: list[str], args: list[Any], *, listens: bool = False) -> list[Any]:
        sent = time.monotonic()
        now_ms: int
        rest: list[Any]
        if listens and self.wake_ups.is_free:
            try:
                now_ms, *rest = await self.wake_ups.after(script, keys, args)
            except NoScriptError:
                now_ms, *rest = await self._run(script, keys, args)
        else:
            now_ms, *rest = await self._run(script, keys, args)
        self._clock.observe(now_ms, sent=sent, received=time.monotonic())
        return rest

    async def _run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        async with asyncio.timeout(REPLY_TIMEOUT):
            return await script(self._redis, keys, args)

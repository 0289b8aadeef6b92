"""The periodic job that decides each group's policy, once over all workers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script
from askonce.tasks import stop
from askonce_worker.answering.ports import SemanticCacheDown
from askonce_worker.audit.deciding import PERIOD, Terms, decide, first_policy
from askonce_worker.audit.judge_errors import judge_errors
from askonce_worker.audit.learning import LEAST
from askonce_worker.audit.ledger import Fields, Slice, add_up, compact, fields_of, slices_of
from askonce_worker.audit.matches import Matches
from askonce_worker.audit.policy import Policy, Unreadable, decode_policy, encode_policy
from askonce_worker.audit.records import Records
from askonce_worker.auditing.recorder import KEPT
from askonce_worker.auditing.records import StoredRecords
from askonce_worker.logs.unreadable import Refusals

log = structlog.get_logger()

DECIDE = Script("askonce_worker.auditing", "decide")

AT_ONCE = 50
"""Groups examined in one run."""
PAGE = 500
"""Groups in a round trip."""
HELD, RENEWED = 15, 4.0
"""Seconds for which a group is left to the worker deciding about it, and after which that worker renews its claim."""
RESTS, MOST_REST = 20, 60.0
"""After learning, a group is left alone for this multiple of the time it took, at most for this many seconds. Otherwise
fast traffic would make learning use a whole core."""
OF_ALL = 0.15
"""After a run that learnt, all groups are left alone for this share of their rests. So together they use a quarter of a
core."""
LEARNING = 20.0
"""Seconds for reading what a scorer learns from."""
RUN = 5.0
"""Seconds after which a run starts no further group."""
_NONE, _NO_VECTORS = np.zeros(0), np.zeros((0, 1), np.float32)
NO_RECORDS = Records(
    Matches(_NONE, _NONE, _NONE, _NO_VECTORS, _NO_VECTORS),
    np.zeros(0, np.intp),
    np.zeros(0, np.bool_),
    _NONE,
    np.zeros(0, np.bool_),
)


@dataclass(slots=True)
class _Claim:
    """rest: seconds for which it is left alone afterwards."""

    rest: float = HELD


class Decisions:
    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        records: StoredRecords,
        refusals: Refusals,
        *,
        terms: Terms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._records = records
        self._refusals = refusals
        self._terms = terms
        self._clock = clock

    async def run(self) -> None:
        """Decides about due groups, the longest due first. One worker at a time does."""
        end = self._clock() + RUN
        async with self._claimed("") as all_groups:
            if all_groups is None:
                return
            all_groups.rest = 0.0
            for group in await self._redis.zrange(self._keys.audit.due, 0, AT_ONCE - 1):
                if self._clock() >= end:
                    break
                async with self._claimed(group.decode()) as claim:
                    rest = None if claim is None else await self._tried(group.decode())
                    if claim is not None and rest is not None:
                        claim.rest = rest
                        all_groups.rest += OF_ALL * rest

    async def forget(self) -> None:
        """Makes room for new groups by dropping those whose ledgers have expired."""
        known = await self._redis.hkeys(self._keys.audit.groups)
        for at in range(0, len(known), PAGE):
            pipe = self._redis.pipeline(transaction=False)
            for group in known[at : at + PAGE]:
                pipe.exists(self._keys.audit.ledger(group.decode()))
            gone = [
                group for group, there in zip(known[at : at + PAGE], await pipe.execute(), strict=True) if not there
            ]
            if gone:
                await self._redis.hdel(self._keys.audit.groups, *gone)

    @asynccontextmanager
    async def _claimed(self, group: str) -> AsyncIterator["_Claim | None"]:
        """None: another worker decides about it, or it is left alone."""
        name, claim = self._keys.audit.deciding(group), _Claim()
        if not await self._redis.set(name, b"", nx=True, ex=HELD):
            yield None
            return
        holding = asyncio.create_task(self._hold(group))
        try:
            yield claim
            await self._redis.pexpire(name, int(1000 * claim.rest))
        finally:
            await stop(holding)

    async def _hold(self, group: str) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(RENEWED)
            with suppress(*TROUBLE):
                await self._redis.expire(self._keys.audit.deciding(group), HELD)

    async def _tried(self, group: str) -> float | None:
        """Like `_decide`, but None if nothing could be decided, so that other groups do not wait for this one."""
        try:
            return await self._decide(group)
        except (ArithmeticError, LookupError, ValueError, ResponseError) as error:
            log.error("audit.not_decided", group=group, error=type(error).__name__, reason=str(error)[:200])
            return None

    async def _decide(self, group: str) -> float:
        """Decide about a group. Returns the seconds to leave it alone."""
        keys = self._keys.audit
        pipe = self._redis.pipeline(transaction=False)
        pipe.get(keys.policy(group))
        pipe.hgetall(keys.ledger(group))
        pipe.hgetall(keys.agreement)
        raw, found, agreement = await pipe.execute()
        before = self._policy_before(group, raw)
        if before is None:
            await self._redis.zrem(keys.due, group)
            return 0.0
        fields = _numbers(found)
        slices = compact(slices_of(fields))
        records = await self._learnable(group)
        began = self._clock()
        facts = _after_all(before, fields), slices, records, self._terms, judge_errors(_numbers(agreement))
        policy = await asyncio.to_thread(decide, *facts)
        spent = self._clock() - began if len(records) >= LEAST else 0.0
        names = [keys.policy(group), keys.ledger(group), keys.due]
        since = int(fields.get("since", 0))
        args = [raw or b"", encode_policy(policy), group, since, KEPT, PERIOD, *_changes(fields, slices)]
        if await DECIDE(self._redis, names, args):
            log.info("audit.decided", group=group, version=policy.version, threshold=policy.threshold,
                     chance=round(policy.chance, 4), learnt=policy.weights is not None)  # fmt: skip
        return min(MOST_REST, RESTS * spent)

    def _policy_before(self, group: str, raw: bytes | None) -> Policy | None:
        """The earlier policy. None for one of a newer release, which then decides."""
        if raw is None:
            return first_policy(self._terms)
        try:
            return decode_policy(self._keys.audit.policy(group), raw)
        except Unreadable as error:
            self._refusals("policy", key=str(error))
            return None

    async def _learnable(self, group: str) -> Records:
        """What can be learnt from. Nothing while Qdrant is away or slow: then the cosine decides alone."""
        try:
            async with asyncio.timeout(LEARNING):
                return await self._records.of(group) or NO_RECORDS
        except (SemanticCacheDown, TimeoutError) as error:
            log.warning("audit.not_learnt", group=group, error=str(error))
            return NO_RECORDS


def _numbers(found: Mapping[bytes, bytes]) -> Fields:
    return {name.decode("utf-8", "replace"): float(value) for name, value in found.items()}


def _after_all(before: Policy, fields: Fields) -> Policy:
    """A lost policy leaves its ledger behind: the new version must come after all versions in it."""
    return replace(before, version=max([before.version, *(part.first for part in slices_of(fields))]))


def _changes(fields: Mapping[str, float], slices: list[Slice]) -> list[Any]:
    """What to add to each field of the ledger, so that it contains only the slices."""
    after: Fields = add_up(map(fields_of, slices))
    args: list[Any] = []
    for name in {**fields, **after}:
        change = after.get(name, 0.0) - fields.get(name, 0.0)
        if change and slices_of({name: 1.0}):  # others are not the ledger's
            args += [name, repr(change)]
    return args

"""The periodic job that decides what a group is served by, each group once over all workers."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import structlog
from redis.asyncio import Redis

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
"""Groups that are looked at in one run."""
PAGE = 500
"""Groups in a round trip."""
HELD, RENEWED = 15, 4.0
"""Seconds for which a group is left to the worker that decides about it, and after which it says that it lives."""
RESTS, MOST_REST = 20, 60.0
"""A group that was learnt from is left alone for so many times as long as that took, for so many seconds at most: where
requests come fast, learning would take all of a core."""
LEARNING = 20.0
"""Seconds for reading what a scorer learns from."""
RUN = 5.0
"""Seconds after which a run begins with no further group."""
_NONE, _NO_VECTORS = np.zeros(0), np.zeros((0, 1), np.float32)
NO_RECORDS = Records(
    Matches(_NONE, _NONE, _NONE, _NO_VECTORS, _NO_VECTORS),
    np.zeros(0, np.intp),
    np.zeros(0, np.bool_),
    _NONE,
    np.zeros(0, np.bool_),
)


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
        """Decides about the groups that are due, the longest first."""
        end = self._clock() + RUN
        for group in await self._redis.zrange(self._keys.audit.due, 0, AT_ONCE - 1):
            if self._clock() >= end:
                return
            name = group.decode()
            if not await self._redis.set(self._keys.audit.deciding(name), b"", nx=True, ex=HELD):
                continue  # another worker does, or has failed to: it is tried again later
            holding = asyncio.create_task(self._hold(name))
            try:
                rest = await self._decide(name)
            except (ArithmeticError, LookupError, ValueError) as error:  # the other groups do not wait for this one
                log.error("audit.not_decided", group=name, error=type(error).__name__, reason=str(error)[:200])
            else:
                await self._redis.pexpire(self._keys.audit.deciding(name), int(1000 * rest))
            finally:
                await stop(holding)

    async def forget(self) -> None:
        """Makes room for new groups, in the place of those whose ledgers have passed."""
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

    async def _hold(self, group: str) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(RENEWED)
            with suppress(*TROUBLE):
                await self._redis.expire(self._keys.audit.deciding(group), HELD)

    async def _decide(self, group: str) -> float:
        """Seconds for which the group is to be left alone."""
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
        """None for one of a newer release, which decides then."""
        if raw is None:
            return first_policy(self._terms)
        try:
            return decode_policy(self._keys.audit.policy(group), raw)
        except Unreadable as error:
            self._refusals("policy", key=str(error))
            return None

    async def _learnable(self, group: str) -> Records:
        """Nothing while Qdrant is away or slow: the cosine decides alone."""
        try:
            async with asyncio.timeout(LEARNING):
                return await self._records.of(group) or NO_RECORDS
        except (SemanticCacheDown, TimeoutError) as error:
            log.warning("audit.not_learnt", group=group, error=str(error))
            return NO_RECORDS


def _numbers(found: Mapping[bytes, bytes]) -> Fields:
    return {name.decode("utf-8", "replace"): float(value) for name, value in found.items()}


def _after_all(before: Policy, fields: Fields) -> Policy:
    """A policy that was lost leaves its ledger: what is decided now comes after all that stands there."""
    return replace(before, version=max([before.version, *(part.first for part in slices_of(fields))]))


def _changes(fields: Mapping[str, float], slices: list[Slice]) -> list[Any]:
    """What has to be added to each field of the ledger, so that it holds the slices alone."""
    after: Fields = add_up(map(fields_of, slices))
    args: list[Any] = []
    for name in {**fields, **after}:
        change = after.get(name, 0.0) - fields.get(name, 0.0)
        if change and slices_of({name: 1.0}):  # others are not the ledger's
            args += [name, repr(change)]
    return args

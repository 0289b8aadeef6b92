"""Parked questions in Redis. Changes need the lock's token; without it they raise `LockLost`."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

from redis.asyncio import Redis

from askonce.contract.chunk import FUNCTION
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.store.scripts import Script
from askonce_worker.logs.unreadable import Refusals
from askonce_worker.parked.records import Packed, Parked, Unreadable, Waiter, model_of, read_parked
from askonce_worker.parked.returning import jobs_of
from askonce_worker.providers.spend_limits import SpendLimit

PARK = Script("askonce_worker.parked", "park")
MOVE = Script("askonce_worker.parked", "move")
JOIN = Script("askonce_worker.parked", "join")
DONE = Script("askonce_worker.parked", "done")
WASTE = Script("askonce_worker.parked", "waste")
UNPARK = Script("askonce_worker.parked", "unpark")
LET_GO = Script("askonce_worker.parked", "let_go")
AFFORD = Script("askonce_worker.parked", "afford")
GATHER = Script("askonce_worker.parked", "gather")

NEW = "new"
ASIDE = "unreadable"
"""The place of records that this release cannot read. The next holder of the lock tries again."""
AT_ONCE = 200
"""Maximum records in one script: a longer one would delay other clients of Redis."""


class Joining(Enum):
    """What came of joining one parked question to another."""

    OTHER_IS_GONE = 0
    JOINED = 1
    CHANGED = 2  # it has another waiter, or is gone: read it again


class LockLost(Exception):
    """Another worker has the lock."""


class ParkedStore:
    """token: of the lock, while this worker holds it. limits: budgets of namespaces. on_nearly_spent: called with
    namespaces, once a day or month."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        refusals: Refusals,
        *,
        result_ttl: float,
        limits: Mapping[str, SpendLimit],
        on_nearly_spent: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._on_nearly_spent = on_nearly_spent
        self.token: bytes | str = ""
        self._redis: Any = redis
        self._keys = keys
        self._refusals = refusals
        self._prefix = keys.parked("")
        self._result_ttl_ms = int(result_ttl * 1000)

    async def park(self, wanted: Sequence[tuple[str, Parked, Packed]]) -> bool:
        """name: `namespace:job id`. The record's only waiter is the one of this name.

        False: the provider is known to have no batches. Questions parked then leave by themselves.
        """
        for at in range(0, len(wanted), AT_ONCE):
            args: list[Any] = [self._prefix, f"{self._keys.prefix}:result:"]
            sent: set[str] = set()
            for name, parked, made in wanted[at : at + AT_ONCE]:
                vector = b"" if parked.vector is None else parked.vector.tobytes()
                args += (parked.id, name, parked.question.fingerprint, parked.deadline, made.waiter)
                scope = b"" if made.scope in sent else made.scope_record
                args += (made.scope, scope, made.question, parked.epochs, vector)
                sent.add(made.scope)
            if (await PARK(self._redis, [self._keys.load], args))[0] == -1:
                return False
        return True

    async def ids(self, place: str, start: int, count: int) -> list[str]:
        """The ids in a place, nearest deadlines first."""
        return [name.decode() for name in await self._redis.zrange(self._prefix + place, start, start + count - 1)]

    async def due(self, place: str, before: int, count: int) -> list[str]:
        """The ids in a place with deadlines before this time (Unix ms)."""
        found = await self._redis.zrangebyscore(self._prefix + place, "-inf", before, start=0, num=count)
        return [name.decode() for name in found]

    async def count(self, place: str) -> int:
        return int(await self._redis.zcard(self._prefix + place))

    async def read_from(self, place: str, ids: Sequence[str]) -> list[Parked]:
        """The readable ones in a place. The others are moved away, so that nothing waits for them."""
        found = await self.read(ids)
        left = set(ids) - {parked.id for parked in found}
        if left:
            await self.move(list(left), place, ASIDE)
        return found

    async def look_at_unreadable(self) -> None:
        """Runs once per holder of the lock: a newer release may be able to read them."""
        for _ in range(0, await self.count(ASIDE), AT_ONCE):
            await self.move(await self.ids(ASIDE, 0, AT_ONCE), ASIDE, NEW)

    async def read(self, ids: Sequence[str]) -> list[Parked]:
        """The questions that exist and are readable."""
        pipe = self._redis.pipeline(transaction=False)
        for name in ids:
            pipe.hgetall(self._keys.parked(f"question:{name}"))
        found = dict(zip(ids, await pipe.execute(), strict=True))
        scopes = await self._scopes({fields[b"scope"] for fields in found.values() if b"scope" in fields})
        parked = []
        for name, fields in found.items():
            try:
                if fields:
                    parked.append(read_parked(name, fields, scopes.get(fields.get(b"scope", b""))))
            except Unreadable as error:
                self._refusals("parked", question=name, reason=str(error))
        return parked

    async def _scopes(self, names: set[bytes]) -> Mapping[bytes, bytes]:
        if not names:
            return {}
        wanted = list(names)
        found = await self._redis.hmget(self._keys.parked("scopes"), wanted)
        return {name: scope for name, scope in zip(wanted, found, strict=True) if scope is not None}

    async def move(self, ids: Sequence[str], source: str, target: str, *, tries: int = 0) -> None:
        for at in range(0, len(ids), AT_ONCE):
            args: list[Any] = [self._prefix, self.token, source, target, tries]
            args += ids[at : at + AT_ONCE]
            self._checked(await MOVE(self._redis, [self._keys.parked_lock], args))

    async def gather(self, batch: str, pool: str, most: int) -> int:
        """Adds up to `most` questions to the batch; returns how many."""
        args = [self._prefix, self.token, batch, pool, model_of(pool), min(most, AT_ONCE)]
        return int(self._checked(await GATHER(self._redis, [self._keys.parked_lock], args)))

    async def join(self, first: str, other: str, waiters: Mapping[str, bytes]) -> Joining:
        """waiters: new values by field."""
        args = [self._prefix, self.token, first, other]
        for pair in waiters.items():
            args += pair
        return Joining(self._checked(await JOIN(self._redis, [self._keys.parked_lock], args)))

    async def done(
        self, answered: Sequence[tuple[Parked, Mapping[str, int], Mapping[str, int]]], *, batch: str = ""
    ) -> list[str]:
        """Forgets and counts them. Returns those with new waiters, for whom the answer must be published again.

        Each item: the record whose waiters have their answer, counters, and counters of the batch.
        """
        again: list[str] = []
        for at in range(0, len(answered), AT_ONCE):
            some = answered[at : at + AT_ONCE]
            args: list[Any] = [self._prefix, self.token, self._keys.stats("hour:"), batch]
            for parked, counts, own in some:
                fields = "\n".join(waiter.field for waiter in parked.waiters)
                args += (parked.id, fields, _lines(counts), _lines(own), _billed(own), self._payer(parked))
            keys = [self._keys.parked_lock, self._keys.stats("total")]
            nearly, *replies = await DONE(self._redis, keys, args)
            self._tell(nearly)
            again += [each[0].id for each, reply in zip(some, replies, strict=True) if reply == 2]
        return again

    async def waste(self, lines: Sequence[tuple[Parked, Mapping[str, int], Mapping[str, int]]], batch: str) -> None:
        """Counts lines of a batch with unusable replies, as `done` does. Once, however often they are read."""
        args: list[Any] = [self._prefix, self.token, self._keys.stats("hour:"), batch]
        for parked, counts, own in lines:
            args += (parked.id, _lines(counts), _lines(own), _billed(own), self._payer(parked))
        self._tell(await WASTE(self._redis, [self._keys.parked_lock, self._keys.stats("total")], args))

    async def afford(
        self, namespace: str, limit: SpendLimit, wanted: Sequence[tuple[str, int]]
    ) -> tuple[int, Sequence[bytes]]:
        """Reserves what lines may cost. wanted: id and billionths of each.

        Returns what the namespace has spent, and of each `taken`, `wait` (others hold the rest) or `over`.
        """
        budgets = self._keys.budgets
        keys = [self._keys.parked_lock, budgets.sums, budgets.held(namespace), budgets.lapsed(namespace)]
        args: list[Any] = [self._prefix, self.token, namespace, limit.period, limit.nano]
        for pair in wanted:
            args += pair
        spent, *rest = await AFFORD(self._redis, keys, args)
        self._checked(spent)
        nearly, *verdicts = rest
        self._tell(namespace.encode() if nearly else b"")
        return int(spent), verdicts

    async def unpark(self, some: Sequence[Parked], now_ms: int) -> list[Parked]:
        """Returns all waiters of these (at most AT_ONCE) to the queue, at the standard price.

        Returns those that are gone. The others must be looked at again, because they have new waiters.
        """
        left = list(some)
        while left:
            args: list[Any] = [len(left)]
            for parked in left:
                args += (parked.id, len(parked.waiters))
            args += jobs_of((waiter for parked in left for waiter in parked.waiters), now_ms)
            replies = await UNPARK(self._redis, *self._requeuing(args))
            self._checked(replies[0])
            if all(replies):
                break
            left = [parked for parked, goes in zip(left, replies, strict=True) if goes]
        return left

    async def let_go(self, parked: Parked, waiters: Sequence[Waiter], now_ms: int, *, asked_again: bool) -> None:
        """Removes these waiters. asked_again: they go back to the queue, at the standard price."""
        gone = "\n".join(waiter.field for waiter in waiters)
        args = [parked.id, gone, *(jobs_of(waiters, now_ms) if asked_again else [])]
        self._checked(await LET_GO(self._redis, *self._requeuing(args)))

    def _requeuing(self, args: Sequence[Any]) -> tuple[list[str], list[Any]]:
        """Keys and arguments of a script that requeues."""
        keys = [self._keys.parked_lock, self._keys.queue("bulk"), self._keys.wake, self._keys.fair, self._keys.load]
        results = f"{self._keys.prefix}:result:"
        return keys, [self._prefix, self.token, ARQ_JOB, FUNCTION, self._result_ttl_ms, results, *args]

    def _payer(self, parked: Parked) -> str:
        """The payer in the form that charged.lua reads."""
        namespace = parked.question.namespace or ""
        limit = self._limits.get(namespace)
        return f"{namespace}||" if limit is None else f"{namespace}|{limit.period}|{limit.nano}"

    def _tell(self, nearly: Any) -> None:
        for namespace in self._checked(nearly).decode().split():
            self._on_nearly_spent(namespace)

    def _checked(self, reply: Any) -> Any:
        if reply == -1:
            raise LockLost
        return reply


def _lines(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{name} {count}" for name, count in counts.items() if count)


def _billed(own: Mapping[str, int]) -> int | str:
    """What a line takes from a budget, by the counters of its batch: as charged.lua reads it."""
    return own.get("cost", "?" if "tokens_in" in own else "")

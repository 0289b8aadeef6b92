"""What was asked in the soak and what came of it: whether each answer is the right one, the only one, and stays."""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from askonce import Answer, Question
from askonce.contract.keys import Keys
from askonce.contract.result import read_result

SHOWN = 10
"""Faults of a kind that are told with all they have."""
SLACK = 2.0
"""Seconds by which whole seconds may be out."""


@dataclass(eq=False, slots=True)
class Asked:
    """floor: the answer comes of a call after this one. at, done: Unix seconds."""

    topic: Any
    question: Question
    floor: int
    way: str = ""
    named: bool = True
    at: float = 0.0
    done: float = 0.0


@dataclass(frozen=True, slots=True)
class Paid:
    """A call of the LLM that was answered to a question of its own."""

    asked: Asked
    number: int


@dataclass
class Ledger:
    """calls: of the LLM so far, as last seen. floors: of each scope, calls before its last invalidation."""

    cache_ttl: float
    result_ttl: float
    calls: int = 0
    unsure: int = 0
    questions: int = 0
    sources: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    paid: dict[Any, list[Paid]] = field(default_factory=lambda: defaultdict(list))
    numbers: set[int] = field(default_factory=set)
    floors: Counter = field(default_factory=Counter)
    cancelled: set[str | None] = field(default_factory=set)
    reread: int = 0
    not_reread: int = 0

    def __post_init__(self):
        self._open: dict[Asked, None] = {}
        self._fresh: deque[tuple[Asked, Answer]] = deque()
        self._kept: deque[tuple[Asked, int]] = deque()

    def floor(self, scope: int, *, fresh: bool) -> int:
        return max(self.floors[scope], self.calls if fresh else 0)

    def fault(self, kind: str, asked: Asked, what: Any = "") -> None:
        question = asked.question
        told = f"{question.job_id} ({asked.way}, {question.cache}) {question.text!r}: {what}"
        self.faults[kind].append(told if len(self.faults[kind]) < SHOWN else "")

    def asked(self, asked: Asked) -> None:
        self.questions += 1
        self._open[asked] = None

    def called_off(self, several: Iterable[Asked]) -> None:
        self.cancelled |= {asked.question.job_id for asked in several}

    def bypassing(self) -> int:
        """Questions under way that make a call of their own."""
        return sum(asked.question.cache == "bypass" for asked in self._open)

    def lost(self, asked: Asked, why: str) -> None:
        if self._open.pop(asked, 0) is None:
            self.fault("lost", asked, why)

    def arrived(self, asked: Asked, answer: Answer) -> None:
        asked.done = time.time()
        if self._open.pop(asked, 0) is not None:
            self.fault("doubled", asked, answer)
            return
        direct = asked.way != "bulk" and asked.way != "submit" and answer.source == "exact"
        self.sources["direct" if direct else answer.source or "failed"] += 1
        if not direct:
            asked.question = asked.question.with_fields(job_id=answer.job_id)
            self._fresh.append((asked, answer))
        if answer.metadata != asked.question.metadata and answer.error is None:
            self.fault("wrong", asked, f"another's metadata {answer.metadata}")
        if answer.error is not None:
            self._failed(asked, answer)
        else:
            lane = "bulk" if asked.way == "bulk" else "interactive"
            self.latencies[f"{lane} {answer.source}"].append(asked.done - asked.at)
            self._judge(asked, answer)

    def _failed(self, asked: Asked, answer: Answer) -> None:
        kind = answer.error.kind
        self.failures[kind] += 1
        if kind == "unknown_job":
            self.fault("lost", asked, answer.error)
        elif (kind == "cancelled") != (asked.question.job_id in self.cancelled):
            self.fault("wrong", asked, f"ended as {kind}")
        elif kind != "cancelled":
            self.fault("failed", asked, answer.error)

    def _judge(self, asked: Asked, answer: Answer) -> None:
        topic, body = asked.topic, answer.body or {}
        number = int(body["id"].removeprefix("chatcmpl-"))
        if body["system_fingerprint"] not in topic.digests or topic.tag not in (answer.text or ""):
            self.fault("wrong", asked, f"{answer.source}: {answer.text}")
        if number <= asked.floor:
            self.fault("stale", asked, f"{answer.source}: call {number}, and {asked.floor} were before")
        if answer.cached_at is not None and asked.at > answer.cached_at + self.ttl(asked) + SLACK:
            self.fault("stale", asked, f"{answer.source}: cached {asked.at - answer.cached_at:.1f} s before")
        if answer.source == "llm":
            if number in self.numbers:
                self.fault("doubled", asked, f"call {number} was another question's own")
            self.numbers.add(number)
            self.paid[topic].append(Paid(asked, number))

    def ttl(self, asked: Asked) -> float:
        return asked.topic.ttl or self.cache_ttl

    async def reading(self, redis: Redis, keys: Keys) -> None:
        """Reads each result when it has come and once more late in its life, until it is cancelled."""
        while True:
            await asyncio.sleep(0.5)
            try:
                await self._read_fresh(redis, keys)
                await self._read_again(redis, keys, 0.8 * self.result_ttl)
            except (RedisError, OSError):
                continue  # it is away

    async def read_to_the_end(self, redis: Redis, keys: Keys) -> None:
        """What is left to be read, now."""
        await self._read_fresh(redis, keys)
        await self._read_again(redis, keys, 0.0)

    async def _read_fresh(self, redis: Redis, keys: Keys) -> None:
        several = list(self._fresh)[:500]
        for (asked, answer), raw in zip(several, await self._raw(redis, keys, several), strict=True):
            self._fresh.popleft()
            if raw is None and self._is_due(asked):
                self.not_reread += 1
            elif raw is None:
                self.fault("lost", asked, "no result any more")
            elif read_result(answer.job_id, raw) != answer:
                self.fault("changed", asked, raw)
            else:
                self._kept.append((asked, hash(raw)))

    async def _read_again(self, redis: Redis, keys: Keys, age: float) -> None:
        several = []
        while self._kept and len(several) < 500 and time.time() - self._kept[0][0].done >= age:
            several.append(self._kept.popleft())
        try:
            raws = await self._raw(redis, keys, several)
        except (RedisError, OSError):
            self._kept.extendleft(reversed(several))
            raise
        for (asked, known), raw in zip(several, raws, strict=True):
            if raw is None and self._is_due(asked):
                self.not_reread += 1
                continue
            self.reread += 1
            if raw is None or hash(raw) != known:
                self.fault("changed", asked, raw)
        if several and age == 0.0:
            await self._read_again(redis, keys, age)

    def _is_due(self, asked: Asked) -> bool:
        """Its result may be gone by now."""
        return time.time() - asked.done > 0.95 * self.result_ttl

    @staticmethod
    async def _raw(redis: Redis, keys: Keys, several: list) -> list[bytes | None]:
        names = [keys.result(asked.question.namespace, asked.question.job_id) for asked, _ in several]
        return await redis.mget(names) if names else []

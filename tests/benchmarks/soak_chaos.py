"""What befalls the soak: workers killed, ended and frozen, servers restarted, a provider's limits, invalidations."""

import asyncio
import contextlib
import json
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError
from soak_load import SCOPES, Load

from askonce.contract.keys import Keys
from askonce.tasks import stop
from askonce_worker.inflight.feed import SHARDS
from support.llm_server import LLMServer
from support.worker_process import WorkerProcess, all_alive, start_worker

AWAY = 2.0
"""Seconds without Redis, or without Qdrant."""
REDIS, QDRANT = (0.25, 0.5), (0.15, 0.35, 0.6)
"""When they are restarted, as shares of the time. Afterwards nothing is invalidated either: what is kept in Redis has
one size in the last third, so that growth can be told. Workers die to the end."""


@dataclass
class Pool:
    """Workers that are started again. The first is frozen at times and never killed: its memory is looked at."""

    settings: dict[str, str]
    directory: Path
    running: list[WorkerProcess] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    replaced: list[WorkerProcess] = field(default_factory=list)
    ending: list[asyncio.Task] = field(default_factory=list)
    lives: int = 0

    async def start(self, place: int | None = None) -> None:
        worker = await start_worker(self.settings, self.directory / f"worker-{self.lives}.log")
        self.lives += 1
        if place is None:
            self.running.append(worker)
        else:
            self.replaced.append(self.running[place])
            self.running[place] = worker

    async def ready(self, count: int) -> None:
        for _ in range(count):
            await self.start()
        await all_alive(self.settings, self.running, count)

    async def end(self, worker: WorkerProcess) -> None:
        """SIGTERM: it finishes what runs."""
        try:
            code = await worker.stop(seconds=45)
        except AssertionError as error:
            self.faults.append(str(error))
        else:
            if code != 0:
                self.faults.append(f"a worker ended with {code}: {worker.tail(5)}")

    async def end_all(self) -> None:
        await asyncio.gather(*self.ending, *(self.end(worker) for worker in self.running))

    async def watch(self) -> None:
        """Replaces whoever ended by itself."""
        while True:
            for place, worker in enumerate(self.running):
                if worker.process.returncode is not None:
                    self.faults.append(f"a worker ended by itself, {worker.process.returncode}: {worker.tail(5)}")
                    await self.start(place)
            await asyncio.sleep(1)

    def errors(self) -> Counter[str]:
        """What all of them logged as errors; other lines are gRPC's own."""
        found: Counter[str] = Counter()
        for log in self.directory.glob("worker-*.log"):
            for line in log.read_text().splitlines():
                event = json.loads(line) if line.startswith("{") else {"level": "info"}
                if event["level"] in ("error", "critical"):
                    found[f"{event['event']} {event.get('error', '')}".strip()] += 1
                elif line.startswith("Traceback"):
                    found["tracebacks"] += 1
        return found

    async def aclose(self) -> None:
        await stop(*self.ending)
        for worker in [*self.running, *self.replaced]:
            await worker.kill()


@dataclass
class Chaos:
    """wasted: calls that the killed and frozen workers had under way. invalidated: when, and which scope.
    away: since when and until when a server was away."""

    pool: Pool
    load: Load
    llm: LLMServer
    redis: Redis
    keys: Keys
    lease: float
    seed: int
    done: Counter = field(default_factory=Counter)
    wasted: int = 0
    invalidated: list[tuple[float, float, int]] = field(default_factory=list)
    away: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self):
        self._chance = random.Random(f"chaos {self.seed}")

    async def run(self, seconds: float, valkey, qdrant) -> None:
        """For so long, and then all is as it was."""
        over, restarted = asyncio.Event(), asyncio.Event()
        loops = asyncio.gather(
            self._every((5, 11), self._a_worker, over),
            self._every((10, 20), self._the_provider, over),
            self._every((15, 25), self._an_invalidation, restarted),
        )
        restarts = [(share * seconds, "Redis", valkey.stop, valkey.start) for share in REDIS]
        restarts += [(share * seconds, "Qdrant", qdrant.stop, qdrant.__enter__) for share in QDRANT]
        began = time.monotonic()
        for due, *what in sorted(restarts, key=itemgetter(0)):
            await asyncio.sleep(max(0.0, began + due - time.monotonic()))
            await self._restart(*what)
        restarted.set()
        await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
        over.set()
        await loops

    async def _every(self, seconds: tuple[float, float], act, over: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._chance.uniform(*seconds)):
                    await over.wait()
            if over.is_set():
                return
            await act()

    async def _a_worker(self) -> None:
        act = self._chance.choices((self._kill, self._end, self._freeze), (4, 2, 4))[0]
        await act(self._chance.randrange(0 if act == self._freeze else 1, len(self.pool.running)))

    async def _kill(self, place: int) -> None:
        worker = self.pool.running[place]
        worker.signal(signal.SIGSTOP)  # so that its calls can be counted
        self.wasted += await self._under_way(worker)
        await self.pool.start(place)
        await worker.kill()
        self.done["SIGKILL"] += 1

    async def _end(self, place: int) -> None:
        worker = self.pool.running[place]
        await self.pool.start(place)
        self.pool.ending.append(asyncio.create_task(self.pool.end(worker)))
        self.done["SIGTERM"] += 1

    async def _freeze(self, place: int) -> None:
        worker = self.pool.running[place]
        worker.signal(signal.SIGSTOP)
        self.wasted += await self._under_way(worker)
        await asyncio.sleep(self.lease * self._chance.uniform(1.5, 3))
        worker.signal(signal.SIGCONT)
        self.done["SIGSTOP"] += 1

    async def _under_way(self, worker: WorkerProcess) -> int:
        """Calls that nobody may ever use: its leaders', and those of questions that bypass the cache; while Redis is
        away, all."""
        pipe = self.redis.pipeline(transaction=False)
        for shard in range(SHARDS):
            pipe.hkeys(self.keys.leaders(shard))
        try:
            found = await pipe.execute()
        except (RedisError, OSError):
            return (await self.llm.stats(brief=True))["chat"]["in_flight"]
        names = [leader.decode().partition("/")[0] for leaders in found for leader in leaders]
        led = sum(name.rsplit("-", 2)[1] == str(worker.pid) for name in names)
        return led + self.load.ledger.bypassing()

    async def _the_provider(self) -> None:
        """Its limit, and a bad moment."""
        await self.llm.control(chat={"limit": {"requests": 3, "seconds": 1}})
        await asyncio.sleep(2)
        await self.llm.control(chat={"limit": None, "fail": {"kind": "status", "status": 500, "times": 3}})
        self.done["429"] += 1

    async def _an_invalidation(self) -> None:
        """Of one namespace and model."""
        chosen = self._chance.choice(SCOPES)
        model, namespace = chosen["model"], chosen["namespace"]
        calls, began = (await self.llm.stats(brief=True))["chat"]["calls"], time.time()
        await self.load.persist(self._invalidate, model, namespace)
        for number, scope in enumerate(SCOPES):
            if (scope["model"], scope["namespace"]) == (model, namespace):
                self.load.ledger.floors[number] = calls
                self.invalidated.append((began, time.time(), number))
        self.done["invalidation"] += 1

    async def _invalidate(self, model, namespace):
        await self.load.client.invalidate(model=model, namespace=namespace)

    async def _restart(self, name: str, stop, start) -> None:
        began = time.time()
        await asyncio.to_thread(stop)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(start)
        self.away.append((began, time.time()))
        self.done[f"{name} restart"] += 1

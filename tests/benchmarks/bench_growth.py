"""What grows with the cache, and what must not: everything at 1,000, 10,000, 100,000 and 1,000,000 entries.

    python tests/benchmarks/bench_growth.py --entries 1000,10000 --scopes 1,1000 --expired 0,0.2 --out growth.json

Each case begins with nothing: Valkey, Qdrant's engine, one worker, a provider that answers at once. The entries come in
by `askonce warm`; then questions in new words ask for them, which the cache must answer: whatever the LLM was called
for was paid in error. Prints a line a case and adds it to the file; `growth_chart.py` draws it.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from growth_load import DIMENSION, EMBEDDING, MODEL, THRESHOLD, Load, asks, bulk, recall
from qdrant_client import grpc as qdrant
from redis.asyncio import Redis

from askonce import Client
from askonce.contract.keys import Keys
from askonce_worker.cache import qdrant_messages as messages
from askonce_worker.cache.qdrant_channel import QdrantChannel
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.ports import free_port
from support.worker_process import environment, until, workers

IN_FLIGHT = (64, 512, 5000)
LONG_AGO = 1_000_000
HOURS = 3600.0 * 6


class Case:
    """One installation, and the figures of it."""

    def __init__(self, load: Load, directory: Path, llm: LLMServer) -> None:
        self.load, self.directory = load, directory
        self.prefix = f"growth-{secrets.token_hex(3)}"
        self.keys = Keys(self.prefix)
        self.collection = f"{messages.collection_prefix(self.prefix, EMBEDDING)}{DIMENSION}"
        self.qdrant_port = free_port()
        self.qdrant = self._qdrant()
        self.redis_stack = Stack(choose_parts(["redis"], data_dir=directory))
        self.figures: dict[str, object] = {
            "entries": load.entries,
            "scopes": load.scopes,
            "expired": len(load.expired) / load.entries,
        }
        self.settings = {
            "ASKONCE_KEY_PREFIX": self.prefix,
            "ASKONCE_EMBEDDING_MODEL": EMBEDDING,
            "ASKONCE_SIMILARITY_THRESHOLD": str(THRESHOLD),
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }

    def _qdrant(self) -> Stack:
        return Stack(choose_parts(["qdrant"], data_dir=self.directory, ports={"qdrant": self.qdrant_port}))

    @asynccontextmanager
    async def running(self):
        with self.redis_stack, self.qdrant:
            self.settings |= self.redis_stack.environment | self.qdrant.environment
            self.redis = Redis.from_url(self.settings["ASKONCE_REDIS_URL"])
            self.vectors = QdrantChannel(self.settings["ASKONCE_QDRANT_URL"])
            yield
            await self.redis.aclose()
            await self.vectors.close()

    def client(self) -> Client:
        return Client(self.settings["ASKONCE_REDIS_URL"], key_prefix=self.prefix, model=MODEL)

    async def warm(self) -> None:
        """By the command that users have. Searchable: the last vector is in Qdrant."""
        rows = self.directory / "rows.jsonl"
        await asyncio.to_thread(self.load.write, rows)
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from askonce.cli import main; main()", "warm", str(rows), "--template", "none",
            env=environment(self.settings), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()
        warmed = time.perf_counter() - began
        await until(self._drained, seconds=HOURS, what="an empty outbox")
        searchable = time.perf_counter() - began
        count = self.load.entries
        self.figures |= {"warm_per_second": count / warmed, "searchable_per_second": count / searchable}
        self.figures["searchable_after_s"] = searchable - warmed
        assert await self._vectors_left() == count, "some vectors are missing"

    async def _drained(self) -> bool:
        return await self.redis.xlen(self.keys.outbox) == 0

    async def _vectors_left(self) -> int:
        request = qdrant.CountPoints(collection_name=self.collection, exact=True)
        return (await self.vectors.grpc_points.Count(request, timeout=600)).result.count

    async def expire_vectors(self) -> None:
        """As far as searches can see. Upkeep goes by Redis, and leaves them for now."""
        payload = {"expires_at": qdrant.Value(integer_value=LONG_AGO)}
        for at in range(0, len(self.load.expired), 500):
            names = [self.load.question(int(number)).fingerprint for number in self.load.expired[at : at + 500]]
            ids = qdrant.PointsIdsList(ids=[messages.point_id(name) for name in names])
            request = qdrant.SetPayloadPoints(
                collection_name=self.collection, wait=True, payload=payload,
                points_selector=qdrant.PointsSelector(points=ids),
            )  # fmt: skip
            await self.vectors.grpc_points.SetPayload(request, timeout=600)

    async def settled(self) -> None:
        """Until graphs are built: Qdrant at rest for 3 s. Gives up after a minute and 1 s for each 300 entries."""
        deadline, quiet = time.monotonic() + 60 + self.load.entries / 300, 0
        began = time.perf_counter()
        while quiet < 3 and time.monotonic() < deadline:
            busy = self._qdrant_cpu()
            await asyncio.sleep(1)
            quiet = quiet + 1 if self._qdrant_cpu() - busy < 0.1 else 0
        self.figures["settled_after_s"] = time.perf_counter() - began

    def _qdrant_processes(self) -> list[psutil.Process]:
        return [each for child in self.qdrant._children for each in _family(child.process.pid)]

    def _qdrant_cpu(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._qdrant_processes())

    async def measure(self, ask_count: int, bulk_count: int) -> None:
        url = self.settings["ASKONCE_QDRANT_URL"]
        self.figures["recall"] = await recall(url, self.prefix, self.load, 1000)
        async with self.client() as client:
            await asks(client, self.load, 20)
            self.figures["ask"] = await asks(client, self.load, ask_count)
            for in_flight in IN_FLIGHT:
                self.figures[f"bulk_{in_flight}"] = await bulk(client, self.load, max(bulk_count, in_flight), in_flight)
        self.figures["redis_mb"] = (await self.redis.info("memory"))["used_memory"] / 1e6
        self.figures["qdrant_mb"] = sum(process.memory_info().rss for process in self._qdrant_processes()) / 1e6

    async def clean_up(self) -> None:
        """Seconds in which a tenth of the entries go because they have expired; a fifth, where the vectors of so many
        had expired before. Upkeep looks every two seconds."""
        gone = self.load.expired if len(self.load.expired) else self.load.valid[: self.load.entries // 10]
        names = [self.load.question(int(number)).fingerprint for number in gone]
        await self.redis.zadd("gone", dict.fromkeys(names, 0))
        before, began = await self._vectors_left(), time.perf_counter()
        for at in range(0, len(names), 5000):
            await self.redis.zadd(self.keys.expiries, dict.fromkeys(names[at : at + 5000], LONG_AGO))

        async def cleaned() -> bool:
            left = await self.redis.execute_command("ZINTERCARD", 2, self.keys.touched, "gone")
            return not left and before - await self._vectors_left() >= len(names)

        await until(cleaned, seconds=HOURS, what="a clean-up")
        self.figures["expiry_s"] = time.perf_counter() - began

    async def restarts(self) -> None:
        """Qdrant with what is on disk, and a worker beside a full cache, which evicts a tenth."""
        began = time.perf_counter()
        await asyncio.to_thread(self.qdrant.stop)
        self.qdrant = self._qdrant()
        stopped = time.perf_counter()
        await asyncio.to_thread(self.qdrant.__enter__)
        self.figures |= {"qdrant_stop_s": stopped - began, "qdrant_start_s": time.perf_counter() - stopped}
        left = await self.redis.zcard(self.keys.touched)
        bound = left - self.load.entries // 10
        await self.redis.delete(self.keys.workers)
        began = time.perf_counter()
        async with workers(1, {**self.settings, "ASKONCE_MAX_ENTRIES": str(bound)}):
            self.figures["worker_start_s"] = time.perf_counter() - began
            began = time.perf_counter()

            async def evicted() -> bool:
                return await self.redis.zcard(self.keys.touched) <= bound

            await until(evicted, seconds=HOURS, what="the eviction")
            self.figures["eviction_s"] = time.perf_counter() - began
        await asyncio.to_thread(self.qdrant.stop)


def _note(stage: str) -> None:
    """A million entries take half an hour: who watches knows when the machine has to be quiet."""
    print(time.strftime("%H:%M:%S"), stage, file=sys.stderr, flush=True)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


async def run(load: Load, llm: LLMServer, arguments: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory:
        case = Case(load, Path(directory), llm)
        async with case.running():
            async with workers(1, case.settings) as [worker]:
                await case.warm()
                await case.expire_vectors()
                await case.settled()
                _note("asks begin")
                await case.measure(arguments.asks, arguments.bulk)
                _note("asks end")
                await case.clean_up()
                await worker.stop(60)  # one that is killed keeps upkeep to itself for 20 s more
            await case.restarts()
        return case.figures


def numbers(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--entries", type=numbers(int), default=[1000, 10_000])
    parser.add_argument("--scopes", type=numbers(int), default=[1, 1000])
    parser.add_argument("--expired", type=numbers(float), default=[0.0, 0.2])
    parser.add_argument("--asks", type=int, default=200)
    parser.add_argument("--bulk", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=Path("growth.json"))
    arguments = parser.parse_args()
    with LLMServer() as llm:
        cases = [(e, s, x) for e in arguments.entries for s in arguments.scopes for x in arguments.expired]
        for entries, scopes, expired in cases:
            done = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
            figures = asyncio.run(run(Load(entries, scopes, expired), llm, arguments))
            print(json.dumps(figures), flush=True)
            arguments.out.write_text(json.dumps([*done, figures], indent=1))


if __name__ == "__main__":
    main()

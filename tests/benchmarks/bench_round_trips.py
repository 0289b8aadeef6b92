"""What one question costs Redis, call by call: who calls, how often, and what runs inside of the scripts.

One worker and one client against a Valkey of their own, for each way of being answered. The totals are Redis's own
counters (`INFO`) less those of an idle worker: reads from sockets (about as many as round trips), commands with those
inside scripts, processor time, and how much of it scripts take. An empty script is the floor of a round trip. The calls
are what `MONITOR` shows of a second run, less those of an idle worker.

    python tests/benchmarks/bench_round_trips.py [--count 300] [--calls]
"""

import argparse
import asyncio
import re
import secrets
import statistics
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from redis.asyncio import Redis

from askonce import Client
from askonce.contract.keys import LANES, Keys
from askonce.store.scripts import Script
from askonce_worker.local.parts import choose_parts
from askonce_worker.local.stack import Stack
from support.llm_server import LLMServer
from support.worker_process import until, workers

ROOT = Path(__file__).parents[2]
IDLE = 5.0
LATENCY_MS = 20
AT_ONCE = 24
ENTRIES = 1200
"""More than an idle worker's sweeps read at a time, so that it costs the same before and after the questions."""
LINE = re.compile(rb'^\+?([\d.]+) \[\d+ (\S+)\] "([^"]*)"(?: "([^"]*)")?(?: "[^"]*" "([^"]*)")?')


def script_names():
    """The name of each script by its digest."""
    found = {}
    for package in ("askonce", "askonce_worker"):
        for path in ROOT.glob(f"*/{package}/**/lua/*.lua"):
            owner = ".".join(path.parent.parent.relative_to(next(ROOT.glob(f"*/{package}")).parent).parts)
            found[Script(owner, path.stem).sha] = path.stem
    return found


class Monitor:
    """Counts what Redis is told while the block runs: calls by caller, commands inside of scripts by script."""

    def __init__(self, port, prefix):
        self._port, self._prefix = port, prefix.encode()
        self._names = script_names()
        self.calls, self.inside = Counter(), Counter()

    @asynccontextmanager
    async def __call__(self):
        self.calls, self.inside = Counter(), Counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
        writer.write(b"MONITOR\r\n")
        reading = asyncio.create_task(self._read(reader))
        await asyncio.sleep(0.1)
        yield
        await asyncio.sleep(0.3)
        reading.cancel()
        writer.close()

    async def _read(self, reader):
        script = ""
        while line := await reader.readline():
            match = LINE.match(line)
            if match is None:
                continue
            _, who, command, first, third = match.groups()
            if who == b"lua":
                self.inside[script, command.upper().decode()] += 1
                continue
            script = self._label(command.upper(), first or b"", third or b"")
            self.calls[script] += 1

    def _label(self, command, first, third):
        if command == b"EVALSHA":
            return self._names.get(first.decode(), first.decode()[:8])
        places = [key for key in (first, third) if key.startswith(self._prefix)]
        kind = places[0][len(self._prefix) + 1 :].split(b":")[0].decode() if places else ""
        return f"{command.decode()} {kind}".strip()


async def counters(redis):
    info = await redis.info("all")
    commands = {name[8:]: facts for name, facts in info.items() if name.startswith("cmdstat_")}
    return {
        "round trips": info["total_reads_processed"],
        "commands": sum(facts["calls"] for facts in commands.values()),
        "us of Redis": (info["used_cpu_user"] + info["used_cpu_sys"]) * 1e6,
        "us in scripts": commands.get("evalsha", {}).get("usec", 0),
    }


class Bench:
    def __init__(self, redis, keys, client, monitor, count, calls):
        self._redis, self._keys, self._client, self._monitor = redis, keys, client, monitor
        self._count, self._calls = count, calls
        self._idle = {}
        self._idle_calls = (Counter(), Counter())

    async def _during(self, work):
        before, began = await counters(self._redis), time.monotonic()
        await work()
        after, seconds = await counters(self._redis), time.monotonic() - began
        return {name: after[name] - before[name] for name in after}, seconds

    async def idle(self):
        spent, seconds = await self._during(lambda: asyncio.sleep(IDLE))
        self._idle = {name: value / seconds for name, value in spent.items()}
        print("an idle worker, a second:", {name: round(value, 1) for name, value in self._idle.items()}, flush=True)
        if self._calls:
            async with self._monitor():
                await asyncio.sleep(IDLE)
            self._idle_calls = self._monitor.calls, self._monitor.inside
            often = ((script, calls / IDLE) for script, calls in self._monitor.calls.most_common())
            print("   ", ", ".join(f"{script} {each:.1f}" for script, each in often if each > 0.5), flush=True)

    async def settled(self):
        kept = [key(lane) for lane in LANES for key in (self._keys.queue, self._keys.leases)]
        return not await self._redis.exists(*kept) and await self._redis.xlen(self._keys.outbox) == 0

    async def run(self, name, ask):
        """ask: gets a tag for its questions, and returns the milliseconds of each."""
        taken = []

        async def work():
            taken.extend(await ask("one"))
            await until(self.settled, seconds=60, what="the end of all jobs")

        spent, seconds = await self._during(work)
        each = {what: (spent[what] - self._idle[what] * seconds) / self._count for what in spent}
        figures = "".join(f"{value:>16.1f}" for value in each.values())
        print(f"{name:<28}{figures}{statistics.median(taken):>12.2f} ms", flush=True)
        if self._calls:
            await self._show_calls(ask)

    async def empty_scripts(self):
        sha, taken = await self._redis.script_load("return 1"), []
        for _ in range(self._count):
            began = time.perf_counter()
            await self._redis.evalsha(sha, 0)
            taken.append((time.perf_counter() - began) * 1000)
        return taken

    async def _show_calls(self, ask):
        began = time.monotonic()
        async with self._monitor():
            await ask("two")
            await until(self.settled, seconds=60, what="the end of all jobs")
        share = (time.monotonic() - began) / IDLE
        idle_calls, idle_inside = self._idle_calls
        for script, calls in self._monitor.calls.most_common():
            each = (calls - share * idle_calls[script]) / self._count
            if each < 0.03:
                continue
            inside = {
                command: (number - share * idle_inside[owner, command]) / self._count
                for (owner, command), number in self._monitor.inside.most_common()
                if owner == script
            }
            print(f"    {each:6.2f} {script:<20} {sum(inside.values()):6.1f}", end="  ")
            print(*(f"{command} {number:.1f}" for command, number in inside.items() if number > 0.05), flush=True)


def texts(tag, count, opening=""):
    return [f"{opening}what is {tag} number {number}? [g{tag}{number}]" for number in range(count)]


async def one_by_one(client, asked, source):
    taken = []
    for text in asked:
        began = time.perf_counter()
        answer = await client.ask(text)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.source == source, answer
    return taken


async def together(client, asked, source):
    """As many at once as an application has that serves a few dozen users."""
    parts = [asked[number::AT_ONCE] for number in range(AT_ONCE)]
    return sum(await asyncio.gather(*(one_by_one(client, part, source) for part in parts)), [])


async def through_the_queue(client, asked):
    began = time.perf_counter()
    ids = await client.submit_many(asked)
    async for answer in client.as_completed(ids, forget=True):
        assert answer.source == "exact", answer
    return [(time.perf_counter() - began) * 1000 / len(asked)]


async def measure(bench, client, count):
    await together(client, texts("warm", ENTRIES), "llm")
    await until(bench.settled, seconds=60, what="the end of all jobs")
    await bench.idle()
    print(f"{'a question':<28}{'round trips':>16}{'commands':>16}{'us of Redis':>16}{'us in scripts':>16}{'p50':>12}")
    await bench.run("an empty script", lambda _: bench.empty_scripts())
    await bench.run("ask: the LLM", lambda tag: one_by_one(client, texts(tag, count), "llm"))
    await asyncio.sleep(0.5)
    await bench.run("ask: semantic", lambda tag: one_by_one(client, texts(tag, count, "please "), "semantic"))
    await bench.run("ask: exact", lambda tag: one_by_one(client, texts(tag, count), "exact"))
    await bench.run("24 at once: the LLM", lambda tag: together(client, texts(f"many{tag}", count), "llm"))
    await asyncio.sleep(0.5)
    near = [texts(f"many{tag}", count, "please ") for tag in ("one", "two")]
    await bench.run("24 at once: semantic", lambda tag: together(client, near[tag == "two"], "semantic"))
    await bench.run("exact, through the queue", lambda tag: through_the_queue(client, texts(tag, count)))


async def main(count, calls):
    prefix = f"bench-{secrets.token_hex(3)}"
    with Stack(choose_parts(["redis", "qdrant"])) as stack, LLMServer() as llm:
        url = stack.environment["ASKONCE_REDIS_URL"]
        settings = {
            **stack.environment,
            "ASKONCE_KEY_PREFIX": prefix,
            "ASKONCE_EMBEDDING_MODEL": "bench",
            "ASKONCE_SIMILARITY_THRESHOLD": "0.95",
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }
        await llm.control(
            chat={"latency_ms": LATENCY_MS, "answer": "a" * 1000 + "{text}"}, embeddings={"dimensions": 1536}
        )
        async with (
            Redis.from_url(url) as redis,
            workers(1, settings),
            Client(url, key_prefix=prefix, model="m") as client,
        ):
            monitor = Monitor(redis.connection_pool.connection_kwargs["port"], prefix)
            await measure(Bench(redis, Keys(prefix), client, monitor, count, calls), client, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--calls", action="store_true", help="what is called, by script and command, as well")
    told = parser.parse_args()
    asyncio.run(main(told.count, told.calls))

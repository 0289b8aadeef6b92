"""Workers as they are wired, without arq around them: a test says which of them answers what waits in the queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from askonce.answer import Answer
from askonce.client import Client
from askonce.contract.keys import ARQ_JOB, Keys
from askonce.question import Question
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue.leased_job import leased_job
from askonce_worker.redis.clock import RedisClock
from askonce_worker.settings import Settings
from askonce_worker.wiring import assemble
from askonce_worker.wiring.background import running
from support.asking import patient_settings
from support.llm_server import LLMServer
from support.worker_process import until

MODEL = "test-model"


@pytest.fixture
def settings(valkey_url: str, embedded_qdrant_url: str, llm_server: LLMServer, prefix: str) -> dict[str, str]:
    """Of a worker with all of its servers, and a lease that does not lapse on a busy machine."""
    return patient_settings(valkey_url, embedded_qdrant_url, llm_server, prefix)


class Wired:
    def __init__(self, service: assemble.Service, client: Client, redis: Redis, keys: Keys) -> None:
        self.service = service
        self.client = client
        self.redis = redis
        self.keys = keys

    async def ask(self, *questions: Question | str) -> list[Answer]:
        """All at once, each a job of its own, and each answered by this worker."""
        names = [await self.client.submit(question) for question in questions]
        taken = await self.redis.zpopmin(self.keys.queue("interactive"), len(names))
        assert len(taken) == len(names)
        await asyncio.gather(*(self._run(job.decode()) for job, _ in taken))
        return [await self.client.result(name, timeout=0) for name in names]

    async def run_next(self, lane: str = "interactive", looked_up: Callable[[], None] = lambda: None) -> None:
        """The first job that waits in the lane. looked_up: called once it has been looked for in the caches."""
        [(job, _)] = await self.redis.zpopmin(self.keys.queue(lane), 1)
        await self._run(job.decode(), lane, looked_up)

    async def _run(self, name: str, lane: str = "interactive", looked_up: Callable[[], None] = lambda: None) -> None:
        job = leased_job(name, lane, "token", 0, 0, await self.redis.get(f"{ARQ_JOB}{name}"))
        await self.service.jobs.run(job, job.args[0], looked_up)

    async def vectors_arrived(self) -> None:
        async def none_waits() -> bool:
            return await self.redis.xlen(self.keys.outbox) == 0

        await until(none_waits, what="an empty outbox")


@contextlib.asynccontextmanager
async def wired_workers(count: int, environment: Mapping[str, Any]) -> AsyncIterator[list[Wired]]:
    """environment: settings in capitals, as a worker process takes them."""
    fields = {
        name.removeprefix("ASKONCE_").lower() if "ASKONCE" in name else name: environment[name] for name in environment
    }
    settings = Settings(**fields)
    url, keys = settings.redis_url.get_secret_value(), Keys(settings.key_prefix)
    async with contextlib.AsyncExitStack() as stack:
        redis = await stack.enter_async_context(Redis.from_url(url))
        client = await stack.enter_async_context(Client(url, key_prefix=settings.key_prefix, model=MODEL))
        workers = []
        for number in range(count):
            service = await stack.enter_async_context(
                assemble.service(settings, PartHealth(), worker=f"worker-{number}", clock=RedisClock())
            )
            await stack.enter_async_context(running(service.background, PartHealth()))
            workers.append(Wired(service, client, redis, keys))
        yield workers

"""A leased worker as a child process, whose jobs do what their questions say: `python -m support.leased_worker ORDERS`.

A question's text is `ok`, `sleep:SECONDS`, `wait` (for the LLM, for ever), `crash` (SIGKILL to its own process) or
`raise`. The hash PREFIX:answered tells what was answered, PREFIX:began how often each job began, and the set PREFIX:ran
which processes ran it.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

import arq.worker
import orjson
import uvloop
from arq.connections import RedisSettings
from arq.cron import cron
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.health.parts import PartHealth
from askonce_worker.queue import job_claimer
from askonce_worker.queue.arq_worker import LeasedWorker
from askonce_worker.queue.worker_options import JobHooks, WorkerLimits
from askonce_worker.redis.clock import RedisClock
from askonce_worker.redis.connection import connect_redis


async def noop(ctx: dict[str, Any], chunk: Any) -> None:
    pass


async def nap(ctx: dict[str, Any], chunk: Any) -> None:
    await asyncio.sleep(0.005)


def split(record: bytes) -> list[bytes]:
    call = orjson.loads(record)
    chunk = call["a"][0]
    return [orjson.dumps({**call, "a": [{**chunk, "questions": [question]}]}) for question in chunk["questions"]]


class Answers:
    def __init__(self, redis: Redis, prefix: str) -> None:
        self.redis = redis
        self.prefix = prefix

    async def answer_chunk(self, ctx: dict[str, Any], chunk: dict[str, Any]) -> None:
        job = ctx["job"]
        await self.redis.hincrby(f"{self.prefix}:began", job.job, 1)
        await self.redis.sadd(f"{self.prefix}:ran", f"{job.job} {os.getpid()}")
        if all(question["text"] == "wait" for question in chunk["questions"]):
            ctx["leave_slot"]()
            await asyncio.Event().wait()
        await asyncio.gather(*(self.answer(question) for question in chunk["questions"]))

    async def answer(self, question: dict[str, str]) -> None:
        if await self.redis.hexists(f"{self.prefix}:answered", question["id"]):
            return
        what, _, how_long = question["text"].partition(":")
        if what == "sleep":
            await asyncio.sleep(float(how_long))
        if what == "crash":
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "raise":
            raise ValueError("the secret prompt")
        await self.redis.hincrby(f"{self.prefix}:answered", question["id"], 1)

    async def on_dead(self, job: Any, cause: str) -> None:
        for question in job.args[0]["questions"]:
            await self.redis.hsetnx(f"{self.prefix}:failed", question["id"], cause)

    async def tick(self, ctx: dict[str, Any]) -> None:
        await self.redis.incr(f"{self.prefix}:ticks")

    async def bad_tick(self, ctx: dict[str, Any]) -> None:
        raise RuntimeError


started: list[subprocess.Popen[bytes]] = []


def suspects(orders: dict[str, Any]) -> None:
    """A process for jobs whose workers died, one at a time."""
    if not started or started[-1].poll() is not None:
        told = json.dumps({**orders, "suspects": True, "cron": False})
        started.append(subprocess.Popen([sys.executable, "-m", "support.leased_worker", told]))


async def leased(orders: dict[str, Any], noop: Any = noop) -> None:
    redis = connect_redis(orders["url"], reconnects=0)
    job_claimer.POLL = orders.get("poll", job_claimer.POLL)
    answers = Answers(Redis.from_url(orders["url"]), orders["prefix"])
    crons = (
        [cron(answers.bad_tick, second=None, name="bad"), cron(answers.tick, second=None, name="tick")]
        if orders.get("cron")
        else []
    )
    worker = LeasedWorker(
        [noop, nap, arq.worker.func(answers.answer_chunk, name="answer_chunk")],
        redis=redis,
        keys=Keys(orders["prefix"]),
        clock=RedisClock(),
        worker=f"worker-{os.getpid()}",
        health=PartHealth(),
        hooks=JobHooks(split, answers.on_dead, on_suspects=lambda: suspects(orders)),
        lease=orders.get("lease", 10.0),
        limits=WorkerLimits(
            orders.get("chunks", 32),
            orders.get("max_tries", 5),
            orders.get("grace", 30.0),
            orders.get("away_limit", 300.0),
        ),
        suspects_only=orders.get("suspects", False),
        cron_jobs=crons,
    )
    try:
        await worker.async_run()
    finally:
        await answers.redis.aclose()
        await redis.aclose()


async def stock(orders: dict[str, Any]) -> None:
    """arq's own worker on the bulk lane, with as many jobs at once as it will have."""
    worker = arq.worker.Worker(
        [noop, nap],
        queue_name=Keys(orders["prefix"]).queue("bulk"),
        redis_settings=RedisSettings.from_dsn(orders["url"]),
        max_jobs=500,
        keep_result=0,
        job_serializer=orjson.dumps,
        job_deserializer=orjson.loads,
    )
    with contextlib.suppress(asyncio.CancelledError):
        await worker.async_run()


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    uvloop.run((stock if told.get("stock") else leased)(told))

"""Checks that Redis is usable before a worker starts. A problem that waiting cannot solve ends the worker at once."""

import asyncio
import ssl
import time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from askonce.store.away import TROUBLE
from askonce.store.redis_url import NO_CLUSTER
from askonce_worker.check.advice import advice, chain, reason
from askonce_worker.queue.lease_keeper import RedisAway
from askonce_worker.queue.wake_ups import REPLY_TIMEOUT
from askonce_worker.redis.facts import facts

log = structlog.get_logger()

HOPELESS = (AuthenticationError, NoPermissionError, ssl.SSLError)
NO_INFO = "it does not allow INFO, so it is unknown whether it is a Cluster, evicts keys or is nearly full"
EVICTS = "set maxmemory-policy noeviction: evicted keys are lost questions"


class Unfit(Exception):
    """This Redis is unusable. The message says in one line why, and what to do. It quotes nothing of the URL."""


def objection(info: dict[str, Any]) -> str | None:
    """What is wrong with a Redis whose INFO reports this; None if nothing is."""
    if int(info.get("cluster_enabled", 0)):
        return NO_CLUSTER
    return EVICTS if info.get("maxmemory_policy", "noeviction") != "noeviction" else None


async def first_contact(redis: Redis, *, patience: float) -> None:
    """Wait up to `patience` seconds for Redis. Raises Unfit, RedisAway."""
    began, told = time.monotonic(), False
    while True:
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                info = await facts(redis)
        except TROUBLE as error:
            if any(isinstance(each, HOPELESS) for each in chain(error)):
                raise Unfit(f"Redis: {reason(error)}; {advice(error, '')}") from error
            seconds = time.monotonic() - began
            if seconds > patience:
                raise RedisAway(f"Redis has not answered for {seconds:.0f} s") from error
            if not told:
                log.warning("redis.away", error=reason(error))
                told = True
            await asyncio.sleep(0.5)
            continue
        if not info:
            log.warning("redis.no_info", reason=NO_INFO)
        wrong = objection(info)
        if wrong is not None:
            raise Unfit(f"Redis: {wrong}")
        return

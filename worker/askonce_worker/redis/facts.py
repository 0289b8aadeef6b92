"""What Redis reports about itself, if available: providers rename INFO away."""

import asyncio
import time
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.store.away import TROUBLE, is_unavailable
from askonce.store.failover import Generation
from askonce_worker.health.parts import PartHealth

log = structlog.get_logger()

LOOK = 1.0
SELDOM = 60.0
"""Seconds after which the policy is read again, even over the same connections."""
KEEPS = "noeviction"
EVICTS = "Redis evicts keys"
"""The name used in findings."""


async def facts(redis: Redis, section: str | None = None) -> dict[str, Any]:
    """INFO; empty if this Redis does not offer it. Raises one of TROUBLE."""
    try:
        found: dict[str, Any] = await redis.info(section)
    except ResponseError as error:
        if not is_unavailable(error):
            raise
        return {}
    return found


class EvictionWatch:
    """Detects a Redis that evicts keys, for example after a failover: evicted keys are lost questions."""

    def __init__(self, redis: Redis, health: PartHealth) -> None:
        self._redis = redis
        self._health = health
        self._generation: Generation = redis.connection_pool.connection_kwargs["generation"]
        self._connections = 0
        self._read_at = -SELDOM
        self._policy = KEEPS

    async def run(self) -> None:
        """Logs an error as long as keys are evicted, once a minute, until it is cancelled."""
        while True:
            try:
                read, evicts = await self._has_read(), self._policy != KEEPS
                self._health.set_unfit(EVICTS, unfit=evicts)
                if read and evicts:
                    log.error("redis.evicts", policy=self._policy, advice=f"set maxmemory-policy {KEEPS}")
            except TROUBLE:
                self._connections = 0  # the next reply may be another server's
            await asyncio.sleep(LOOK)

    async def _has_read(self) -> bool:
        """Whether the policy was read: after a new connection, and once a minute. Raises one of TROUBLE."""
        if self._connections == self._generation.connections and time.monotonic() - self._read_at < SELDOM:
            return False
        self._policy = (await facts(self._redis, "memory")).get("maxmemory_policy", KEEPS)
        self._connections, self._read_at = self._generation.connections, time.monotonic()
        return True

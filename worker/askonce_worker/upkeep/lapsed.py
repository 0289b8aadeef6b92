"""Ends leaders of dead workers. Followers end their own leader, but one without followers would stay for ever."""

from typing import Any

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce_worker.inflight.feed import SHARDS, Feed

log = structlog.get_logger()


class LapsedLeaders:
    def __init__(self, redis: Redis, keys: Keys, feed: Feed) -> None:
        self._redis: Any = redis
        self._keys = keys
        self._feed = feed

    async def run(self, seconds: float) -> bool:  # noqa: ARG002 - a call or two
        """A worker counts as dead a minute after its last heartbeat, because it may have lost Redis for a while."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrange(self._keys.workers, 0, -1)
        for shard in range(SHARDS):
            pipe.hkeys(self._keys.leaders(shard))
        workers, *leaders = await pipe.execute()
        known = set(workers)
        gone = [
            (shard, name.decode())
            for shard, names in enumerate(leaders)
            for name in names
            if name.rpartition(b"/")[0] not in known
        ]
        ended = 0
        while gone:
            states = await self._feed.watch(gone)
            ended += sum(state is not None for state in states)
            gone = gone[len(states) :]
        if ended:
            log.info("upkeep.lapsed", leaders=ended)
        return False

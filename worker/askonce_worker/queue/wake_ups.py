"""Wake-up tokens: `1`, and the names of workers that could not take the job it stood for.

A worker waits for them on its own connection. A claim may be sent before the wait in the same write, so both take one
round trip.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from askonce.contract.keys import Keys
from askonce.store.scripts import Script

REPLY_TIMEOUT = 5.0
LISTEN = 1
"""Seconds that one read waits for a wake-up."""


class WakeUps:
    """While Redis is away, methods raise one of TROUBLE, and can simply be called again."""

    def __init__(self, redis: Redis, keys: Keys, worker: str) -> None:
        self._redis = redis
        self._key = keys.wake
        self._worker = worker
        self._line: Any = None
        self._lock = asyncio.Lock()
        self.waits = False

    @property
    def is_free(self) -> bool:
        """Whether a claim may be sent before the next wait."""
        return not self.waits and not self._lock.locked()

    async def after(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Runs a script and starts waiting after it. Raises NoScriptError if it did not run."""
        async with self._lock:
            return await self._exchange(("EVALSHA", script.sha, len(keys), *keys, *args), self._wait)

    async def next(self) -> str:
        """The token that arrived within a second, or ''."""
        async with self._lock:
            if self.waits:
                found = await self._exchange()
            else:
                found = await self._exchange(self._wait)
            self.waits = False
        return "" if found is None else found[1].decode("utf-8", "replace")

    def passed_by(self, token: str) -> int:
        """How often this worker could not take the token's job."""
        return token.split(" ").count(self._worker)

    async def pass_on(self, token: str) -> None:
        async with asyncio.timeout(REPLY_TIMEOUT):
            await self._redis.lpush(self._key, token)  # type: ignore[misc]

    async def aclose(self) -> None:
        if self._line is not None:
            line, self._line = self._line, None
            await line.disconnect(nowait=True)
            await self._redis.connection_pool.release(line)

    @property
    def _wait(self) -> tuple[Any, ...]:
        return ("BLPOP", self._key, LISTEN)

    async def _exchange(self, *commands: tuple[Any, ...]) -> Any:
        """The next reply. Any interruption closes the connection, except for an error reply from Redis."""
        answered = False
        try:
            async with asyncio.timeout(LISTEN + REPLY_TIMEOUT):
                if self._line is None:
                    self._line = await self._redis.connection_pool.get_connection()
                if commands:
                    await self._line.send_packed_command(self._line.pack_commands(commands))
                    self.waits = True
                reply = await self._line.read_response()
                answered = True
                return reply
        except ResponseError:
            answered = True
            raise
        finally:
            if not answered:
                self.waits = False
                await self.aclose()

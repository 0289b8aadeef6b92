"""The client's interface to Redis: commands and scripts in, replies out. Broken connections are replaced."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from askonce.errors import StoreUnreachable
from askonce.store.away import passes
from askonce.store.redis_url import connection_options
from askonce.store.replication import Replicated, is_confirmed
from askonce.store.scripts import Script
from askonce.store.wire import Command, Wire

PAUSES = (0.02, 0.2, 0.8)
"""Seconds before a call whose connection broke is repeated. All that we send may be sent twice."""
CONNECTIONS = 32
BLOCK_MS = 2000

T = TypeVar("T")
StreamItem = tuple[bytes, dict[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ScriptCall:
    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float]

    def command(self) -> Command:
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


class Store:
    """Connections to one Redis, of one event loop. Raises StoreUnreachable, or QueueFull where Redis is full.

    They are closed by `aclose`, and else with their loop, as `asyncio.run` ends it.
    """

    def __init__(self, url: str) -> None:
        self._options = connection_options(url)
        self._said: set[str] = set()
        self._idle: list[Wire] = []
        self._readers: list[StreamReader] = []
        most: int = self._options.get("max_connections", CONNECTIONS + 1)
        self._slots = asyncio.Semaphore(min(CONNECTIONS, most - 1))
        self._loop_end: AsyncIterator[None] | None = None
        self._closed = False

    async def pipeline(self, commands: Sequence[Command | ScriptCall]) -> list[Any]:
        """The replies, in one round trip; more where Redis does not know a script yet."""
        calls = [command.command() if isinstance(command, ScriptCall) else command for command in commands]
        scripts = {command.script for command in commands if isinstance(command, ScriptCall)}
        return await self._with_scripts(scripts, lambda wire: wire.send(calls))

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        return (await self.pipeline([ScriptCall(script, keys, args)]))[0]

    async def replicated(self, call: ScriptCall, replicas: Callable[[Any], int]) -> Replicated:
        """Runs a script, and waits until a replica has what it wrote.

        Args:
            call: Is made again where the connection breaks while it waits.
            replicas: How many are connected, by the script's reply. Below 0, none knows: a replica is waited for too.
        """

        async def work(wire: Wire) -> Replicated:
            [reply] = await wire.send([call.command()])
            return Replicated(reply, replicas(reply) == 0 or await is_confirmed(wire))

        return await self._with_scripts({call.script}, work)

    def reader(self, key: str) -> "StreamReader":
        """Reads a stream on its own connection."""
        reader = StreamReader(Wire(self._options, self._said, longer=BLOCK_MS / 1000), key)
        self._readers.append(reader)
        return reader

    async def aclose(self) -> None:
        self._closed = True
        await self._disconnect()

    async def _with_scripts(self, scripts: Iterable[Script], work: Callable[[Wire], Awaitable[T]]) -> T:
        try:
            return await self._repeated(work)
        except StoreUnreachable as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        loading: list[Command] = [("SCRIPT", "LOAD", script.source) for script in scripts]
        await self._repeated(lambda wire: wire.send(loading))
        return await self._repeated(work)

    async def _repeated(self, work: Callable[[Wire], Awaitable[T]]) -> T:
        async with self._slots:
            for pause in PAUSES:
                try:
                    return await self._once(work)
                except StoreUnreachable as error:
                    if not passes(error):
                        raise
                    await asyncio.sleep(pause)
            return await self._once(work)

    async def _once(self, work: Callable[[Wire], Awaitable[T]]) -> T:
        if self._loop_end is None:
            self._loop_end = self._until_the_loop_ends()
            await anext(self._loop_end)
        wire = self._idle.pop() if self._idle else Wire(self._options, self._said)
        try:
            return await work(wire)
        finally:
            if self._closed:
                await wire.aclose()
            else:
                self._idle.append(wire)

    async def _until_the_loop_ends(self) -> AsyncIterator[None]:
        """`asyncio.run` closes the generators that are still open in its loop: this one closes the connections."""
        try:
            yield
        finally:
            await self._disconnect()

    async def _disconnect(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()
        for reader in self._readers:
            await reader.aclose()


class StreamReader:
    """Reads that block. One at a time."""

    def __init__(self, wire: Wire, key: str) -> None:
        self._wire = wire
        self._key = key
        self._lock = asyncio.Lock()
        self._begun = False

    @property
    def is_free(self) -> bool:
        """Whether no read has begun."""
        return not (self._begun or self._lock.locked())

    async def behind(self, call: ScriptCall, position: bytes) -> Any:
        """The reply of a script, and in the same write a read begins: `after` brings what came of it."""
        async with self._lock:
            reply = await self._wire.send_ahead(call.command(), self._command(position))
            self._begun = True
        return reply

    async def after(self, position: bytes) -> list[StreamItem]:
        """What came after this position; waits for it for up to two seconds."""
        async with self._lock:
            begun, self._begun = self._begun, False
            reply = await self._wire.rest() if begun else (await self._wire.send([self._command(position)]))[0]
        items = reply[0][1] if reply else []
        return [(position, dict(zip(fields[::2], fields[1::2], strict=True))) for position, fields in items]

    async def aclose(self) -> None:
        await self._wire.aclose()

    def _command(self, position: bytes) -> Command:
        return ("XREAD", "COUNT", 256, "BLOCK", BLOCK_MS, "STREAMS", self._key, position)

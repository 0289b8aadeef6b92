"""Redis, as the rest of the client sees it: commands and scripts in, replies out, broken connections mended."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from askonce.errors import StoreUnreachable
from askonce.store.scripts import Script
from askonce.store.wire import TIMEOUT, Command, Wire, passes

PAUSES = (0.02, 0.2, 0.8)
"""Seconds before a call whose connection broke is repeated. All that we send may be sent twice."""
CONNECTIONS = 32
BLOCK_MS = 2000

StreamItem = tuple[bytes, dict[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class ScriptCall:
    script: Script
    keys: Sequence[str]
    args: Sequence[str | bytes | int | float]

    def command(self) -> Command:
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)


class Store:
    """Connections to one Redis, of one event loop. Raises StoreUnreachable, or QueueFull where Redis is full."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[Wire] = []
        self._slots = asyncio.Semaphore(CONNECTIONS)
        self._closed = False

    async def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to the commands, in one round trip."""
        async with self._slots:
            for pause in PAUSES:
                try:
                    return await self._send(commands)
                except StoreUnreachable as error:
                    if not passes(error):
                        raise
                    await asyncio.sleep(pause)
            return await self._send(commands)

    async def scripts(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """The replies to the scripts, in one round trip; more where Redis does not know them yet."""
        commands = [call.command() for call in calls]
        try:
            return await self.pipeline(commands)
        except StoreUnreachable as error:
            if not isinstance(error.__cause__, NoScriptError):
                raise
        await self.pipeline([("SCRIPT", "LOAD", script.source) for script in {call.script for call in calls}])
        return await self.pipeline(commands)

    async def script(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        return (await self.scripts([ScriptCall(script, keys, args)]))[0]

    async def aclose(self) -> None:
        self._closed = True
        while self._idle:
            await self._idle.pop().aclose()

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        wire = self._idle.pop() if self._idle else Wire(self._url)
        try:
            return await wire.send(commands)
        finally:
            if self._closed:
                await wire.aclose()
            else:
                self._idle.append(wire)


class StreamReader:
    """A connection of its own for reads that block."""

    def __init__(self, url: str, key: str) -> None:
        self._wire = Wire(url, timeout=TIMEOUT + BLOCK_MS / 1000)
        self._key = key

    async def after(self, position: bytes) -> list[StreamItem]:
        """What came after this position; waits for it for up to two seconds."""
        command = ("XREAD", "COUNT", 256, "BLOCK", BLOCK_MS, "STREAMS", self._key, position)
        (reply,) = await self._wire.send([command])
        items = reply[0][1] if reply else []
        return [(position, dict(zip(fields[::2], fields[1::2], strict=True))) for position, fields in items]

    async def aclose(self) -> None:
        await self._wire.aclose()

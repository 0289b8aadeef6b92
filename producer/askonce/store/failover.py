"""redis-py's connections, made fit for failovers and for a single cancellation.

redis-py keeps a connection after any error reply. After a managed failover the old master lives on as a replica under a
connection that is never closed, so every call fails for ever. Here such a reply drops the connection, and all others
that were made before it; the next call resolves the host name again.

redis-py bounds each write with `asyncio.wait_for`. On Python 3.11 that loses a cancellation which arrives together with
the result, and `asyncio.run` then waits for ever. Here `asyncio.timeout` bounds reads and writes.
"""

import asyncio
from typing import Any

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import BusyLoadingError, ConnectionError, ResponseError  # noqa: A004
from redis.exceptions import TimeoutError as ReplyTimeout

from askonce.store.away import RefusedForNow, is_refusal_for_now

REPLY_TIMEOUT = 5.0
"""Seconds for a connection, and for one reply."""


class Generation:
    """Numbers the connections to one Redis: those of an earlier number are replaced before they are used again.

    connections: how many were made in all.
    """

    def __init__(self) -> None:
        self.number = 0
        self.connections = 0

    def end(self, number: int) -> None:
        """Many connections of one generation may find out at the same time: only the first one ends it."""
        if number == self.number:
            self.number += 1


class _FailsOver(AbstractConnection):
    """A connection of redis-py, whatever it goes over.

    generation: shared by all connections to the same Redis. socket_timeout: seconds for one reply. longer: seconds to
    add to it, for reads that Redis holds back.
    """

    def __init__(
        self,
        *,
        generation: Generation | None = None,
        socket_timeout: float = REPLY_TIMEOUT,
        longer: float = 0.0,
        **options: Any,
    ) -> None:
        options.setdefault("socket_connect_timeout", REPLY_TIMEOUT)
        super().__init__(**options, socket_timeout=None)
        self._reply_timeout = socket_timeout + longer
        self._generation = generation or Generation()
        self._made_in = -1

    @property
    def is_current(self) -> bool:
        """Connected, and to the server that the others use."""
        connected: bool = self.is_connected
        return connected and self._made_in == self._generation.number

    async def connect(self) -> None:
        if self.is_current:
            return
        await self._drop()
        self._made_in = self._generation.number
        self._generation.connections += 1
        await super().connect()  # type: ignore[no-untyped-call]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect()
        try:
            async with asyncio.timeout(self._reply_timeout):
                await super().send_packed_command(command, check_health)
        except TimeoutError:
            await self._drop()
            raise ReplyTimeout("Redis does not accept commands") from None
        except RuntimeError as error:  # uvloop, where the transport is closed already
            await self._drop()
            raise ConnectionError(str(error)) from error

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            async with asyncio.timeout(self._reply_timeout):
                return await super().read_response(*args, **options)
        except TimeoutError:
            await self._drop()
            raise ReplyTimeout(f"no reply within {self._reply_timeout:g} s") from None
        except BusyLoadingError:
            self._generation.end(self._made_in)
            raise
        except ResponseError as error:
            if not is_refusal_for_now(error):
                raise
            self._generation.end(self._made_in)
            await self._drop()
            raise RefusedForNow(str(error)) from error

    async def _drop(self) -> None:
        await self.disconnect(nowait=True)


class TcpConnection(_FailsOver, Connection):
    """redis://"""


class TlsConnection(_FailsOver, SSLConnection):
    """rediss://"""


class UnixConnection(_FailsOver, UnixDomainSocketConnection):
    """unix://"""

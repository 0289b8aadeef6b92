"""The one place where connections to Redis are made, and where the driver's errors are translated.

It drives redis-py's connections directly, because redis-py's pool checks for stray bytes before each command, which
costs as much as an exact hit itself. A broken connection is discarded, and `Store` repeats the call.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError, ResponseError

from askonce.errors import QueueFull, StoreUnreachable
from askonce.store.away import AWAY, is_unavailable
from askonce.store.redis_url import NO_CLUSTER

log = logging.getLogger("askonce")

NO_INFO = "Redis does not allow INFO, so it is unknown whether it is a Cluster or nearly full"

Command = tuple[str | bytes | int | float, ...]


class Wire:
    """One connection, made at the first call. Raises StoreUnreachable, or QueueFull where Redis is full.

    options: of `connection_options`. said: the warnings of a store, each of which is given once. longer: seconds to add
    to the time for one reply.
    """

    def __init__(self, options: Mapping[str, Any], said: set[str], *, longer: float = 0.0) -> None:
        self._said = said
        given = dict(options)
        given.pop("max_connections", None)
        self._connection: Any = given.pop("connection_class")(**given, longer=longer)

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The replies, in one round trip. Whatever interrupts it breaks the connection; the next call makes another."""
        with translated():
            try:
                await self._connected()
                return await self._exchange(commands)
            except ResponseError:
                raise
            except BaseException:
                await self._connection.disconnect(nowait=True)
                raise

    async def send_ahead(self, command: Command, other: Command) -> Any:
        """Both in one write. The reply to the first; that to the other is for `rest`. Errors break the connection."""
        with translated():
            try:
                await self._connected()
                await self._connection.send_packed_command([packed([command, other])], check_health=False)
                return await self._connection.read_response()
            except BaseException:
                await self._connection.disconnect(nowait=True)
                raise

    async def rest(self) -> Any:
        with translated():
            try:
                return await self._connection.read_response()
            except BaseException:
                await self._connection.disconnect(nowait=True)
                raise

    async def aclose(self) -> None:
        with suppress(RedisError, OSError):
            await self._connection.disconnect()

    async def _connected(self) -> None:
        if not self._connection.is_current:
            await self._connection.connect()
            await self._refuse_cluster()

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connection = self._connection
        await connection.send_packed_command([packed(commands)], check_health=False)
        replies, first = [], None
        for _ in commands:
            try:
                replies.append(await connection.read_response())
            except ResponseError as error:
                first = first or error
        if first is not None:
            raise first
        return replies

    async def _refuse_cluster(self) -> None:
        try:
            (facts,) = await self._exchange([("INFO", "cluster")])
        except ResponseError as error:
            if not is_unavailable(error):
                raise
            if NO_INFO not in self._said:
                self._said.add(NO_INFO)
                log.warning(NO_INFO)
            return
        if b"cluster_enabled:1" in facts:
            raise StoreUnreachable(NO_CLUSTER)


def packed(commands: Sequence[Command]) -> bytes:
    """The arguments in wire format. (redis-py's own loop takes three times as long, and there may be hundreds of keys.)
    Raises TypeError for anything but text, bytes and numbers."""
    parts: list[bytes] = []
    for command in commands:
        parts.append(b"*%d\r\n" % len(command))
        for value in command:
            data = value if type(value) is bytes else _encoded(value)
            parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _encoded(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"Redis does not accept {type(value).__name__}")
    return repr(value).encode()


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except OutOfMemoryError as error:
        raise QueueFull("Redis is full") from error
    except AuthenticationError as error:
        raise StoreUnreachable(f"Redis rejects the credentials: {error}") from error
    except StoreUnreachable:
        raise
    except AWAY as error:
        raise StoreUnreachable(f"Redis does not answer: {error}") from error
    except RedisError as error:
        raise StoreUnreachable(f"Redis refuses: {error}") from error

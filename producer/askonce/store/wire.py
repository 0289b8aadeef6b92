"""The one place where a connection to Redis is made, and where the driver's errors become ours.

We drive redis-py's connections ourselves: its pool looks for stray bytes before each command, which costs as much as an
exact hit itself, and may swallow a cancellation. A connection that breaks is thrown away, and `Store` repeats the call.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

from askonce.errors import QueueFull, StoreUnreachable
from askonce.store.redis_url import CLUSTER, connection_options

TIMEOUT = 5.0
"""Seconds for a connection, and for one reply."""

Command = tuple[str | bytes | int | float, ...]


class Wire:
    """One connection, made at the first call. Raises StoreUnreachable, or QueueFull where Redis is full."""

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        options: dict[str, Any] = {
            "socket_connect_timeout": TIMEOUT,
            "socket_keepalive": True,
            **connection_options(url),
            "socket_timeout": timeout,
            "protocol": 2,
            "decode_responses": False,
        }
        self._connection: Any = options.pop("connection_class", Connection)(**options)
        self._checked = False

    async def send(self, commands: Sequence[Command]) -> list[Any]:
        """The replies, in one round trip. Whatever interrupts it breaks the connection; the next call makes another."""
        with translated():
            try:
                if not self._checked:
                    await self._refuse_cluster()
                return await self._exchange(commands)
            except ResponseError:
                raise
            except BaseException:
                self._checked = False
                await self._connection.disconnect(nowait=True)
                raise

    async def aclose(self) -> None:
        self._checked = False
        with suppress(RedisError, OSError):
            await self._connection.disconnect()

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
        (facts,) = await self._exchange([("INFO", "cluster")])
        if b"cluster_enabled:1" in facts:
            raise StoreUnreachable(CLUSTER)
        self._checked = True


def packed(commands: Sequence[Command]) -> bytes:
    """As they go over the wire. (redis-py's own loop takes three times as long, and there may be hundreds of keys.)

    Raises TypeError for what is no text, bytes or number.
    """
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
        raise TypeError(f"Redis takes no {type(value).__name__}")
    return repr(value).encode()


def passes(error: StoreUnreachable) -> bool:
    """Whether it is worth another try."""
    cause = error.__cause__
    return isinstance(cause, (*PASSING, OSError)) and not isinstance(cause, AuthenticationError)


PASSING = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError)


@contextmanager
def translated() -> Iterator[None]:
    try:
        yield
    except OutOfMemoryError as error:
        raise QueueFull("Redis is full") from error
    except AuthenticationError as error:
        raise StoreUnreachable(f"Redis refuses the credentials: {error}") from error
    except PASSING as error:
        raise StoreUnreachable(f"Redis does not answer: {error}") from error
    except RedisError as error:
        raise StoreUnreachable(f"Redis refuses: {error}") from error
    except StoreUnreachable:
        raise
    except OSError as error:
        raise StoreUnreachable(f"Redis does not answer: {error}") from error

"""Connections to Redis that cost little: commands are packed by hiredis, not by a loop in Python."""

from collections.abc import Iterable
from typing import Any

import hiredis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError  # noqa: A004

from askonce.store.redis_url import connection_options

RECONNECTS = 30
"""With pauses of at most a second: Redis may restart under a call."""
REPLY_TIMEOUT = 5.0
AWAY = (ConnectionError, TimeoutError, ReadOnlyError)
"""It does not answer, or has just lost its place to another: nothing is wrong with what was sent."""


class _Packing:
    """redis-py's asyncio connections know of no packer; a chunk's commands have hundreds of arguments."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        return [hiredis.pack_command((*name.split(), *rest) if isinstance(name, str) and " " in name else args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(self.pack_command(*command)[0] for command in commands)]


def connect_redis(url: str, *, reconnects: int = RECONNECTS) -> Redis:
    """A connection pool. reconnects: how often a command may be sent again; all of the pipeline's may be."""
    options = connection_options(url)
    pool: ConnectionPool = ConnectionPool(
        _packing(options.pop("connection_class", Connection)),
        **{
            "socket_timeout": REPLY_TIMEOUT,
            "socket_connect_timeout": REPLY_TIMEOUT,
            "socket_keepalive": True,
            "retry": Retry(ExponentialBackoff(cap=1.0, base=0.05), reconnects),
            "retry_on_error": [ConnectionError, TimeoutError, BusyLoadingError],
            **options,
        },
    )
    return Redis.from_pool(pool)


def _packing(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """This kind of connection (TCP, TLS, Unix socket) with our packer."""
    return type(f"Packing{kind.__name__}", (_Packing, kind), {})

"""Fast connections to Redis: commands are packed by hiredis, not by a Python loop."""

from collections.abc import Iterable
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from askonce.store.away import AWAY
from askonce.store.redis_url import connection_options

RECONNECTS = 30
"""Retries with pauses of at most a second, because Redis may restart during a call."""


class _Packing:
    """redis-py's asyncio connections know of no packer; a chunk's commands have hundreds of arguments."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        return [hiredis.pack_command((*name.split(), *rest) if isinstance(name, str) and " " in name else args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join(self.pack_command(*command)[0] for command in commands)]

    async def can_read_destructive(self) -> bool:
        """Whether bytes came that no command asked for, or the server has hung up. redis-py reads, with a timeout of 0,
        before each command: a turn of the event loop each time."""
        reader: Any = self._reader  # type: ignore[attr-defined]
        return reader is None or bool(reader._buffer) or reader.at_eof()  # noqa: SLF001 - as redis-py itself looks


def connect_redis(url: str, *, reconnects: int = RECONNECTS) -> Redis:
    """A connection pool. reconnects: how often a command may be sent again; all of the pipeline's may be."""
    options = connection_options(url)
    pool: type[ConnectionPool] = BlockingConnectionPool if "max_connections" in options else ConnectionPool
    retry = Retry(ExponentialBackoff(cap=1.0, base=0.05), reconnects)
    kind = _packing(options.pop("connection_class"))
    return Redis.from_pool(pool(connection_class=kind, retry=retry, retry_on_error=list(AWAY), **options))


def _packing(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """This kind of connection (TCP, TLS, Unix socket) with our packer."""
    return type(f"Packing{kind.__name__}", (_Packing, kind), {})

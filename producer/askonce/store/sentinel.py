"""Finds the master of a Redis behind Sentinel: each new connection asks for its current address.

redis-py's own classes for this need a pool that asks for them; the client has none, and the worker packs for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError, RedisError, ResponseError  # noqa: A004

from askonce.store.failover import TcpConnection, TlsConnection

PATIENCE = 1.0
"""Seconds for one Sentinel to answer, before the next one is asked."""


@dataclass(frozen=True, slots=True)
class Sentinels:
    """hosts: in the order in which they are asked. name: of the master. options: of the connections to them."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    kind: type[Connection]
    options: Mapping[str, Any]

    async def master(self) -> tuple[str, int]:
        """Its address now, by the first of them that knows. Raises redis-py's ConnectionError."""
        cause: Exception | None = None
        for host, port in self.hosts:
            try:
                found = await self._ask(host, port)
            except (RedisError, OSError) as error:
                cause = error
            else:
                if found is not None:
                    return found[0].decode(), int(found[1])
        reason = f" ({cause})" if cause is not None else ""
        raise ConnectionError(f"no Sentinel knows the master {self.name!r}{reason}") from cause

    async def _ask(self, host: str, port: int) -> list[bytes] | None:
        timeouts = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        connection: Any = self.kind(host=host, port=port, **{"protocol": 2, **timeouts, **self.options})
        try:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
            found: list[bytes] | None = await connection.read_response()
            return found
        finally:
            await connection.disconnect(nowait=True)


class _ToMaster(Connection):
    """A connection of redis-py over TCP or TLS: each attempt to connect asks the Sentinels."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options, redis_connect_func=_refuse_replica)
        self._sentinels = sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self._sentinels.master()
        await super()._connect()  # type: ignore[no-untyped-call]


class MasterConnection(_ToMaster, TcpConnection):
    """TCP."""


class MasterTlsConnection(_ToMaster, TlsConnection):
    """TLS, to the Sentinels too."""


async def _refuse_replica(connection: Any) -> None:
    """A Sentinel that was cut off may still name the old master."""
    await connection.on_connect()
    await connection.send_command("INFO", "replication")
    try:
        facts: bytes = await connection.read_response()
    except ResponseError:  # a provider may have renamed INFO away: then the first write tells
        return
    if b"role:master" not in facts:
        raise ConnectionError("the master that a Sentinel names is a replica")

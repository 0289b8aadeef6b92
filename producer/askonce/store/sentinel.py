"""The master of a Redis that Sentinel watches, found anew with every connection.

redis-py's own classes for this need a pool that asks for them; the client has none, and the worker packs for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError, ReadOnlyError, RedisError  # noqa: A004

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
        raise ConnectionError(f"no Sentinel knows where the master {self.name!r} is{reason}") from cause

    async def _ask(self, host: str, port: int) -> list[bytes] | None:
        timeouts = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
        connection: Any = self.kind(host=host, port=port, **{**timeouts, **self.options})
        try:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
            found: list[bytes] | None = await connection.read_response()
            return found
        finally:
            await connection.disconnect(nowait=True)


class _ToMaster:
    """Mixed into a connection: each attempt asks the Sentinels; a master that was deposed is left at once."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options, redis_connect_func=_refuse_replica)  # type: ignore[call-arg]
        self._sentinels = sentinels

    async def _connect(self) -> None:
        self.host, self.port = await self._sentinels.master()
        await super()._connect()  # type: ignore[misc]

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except ReadOnlyError as error:
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise ConnectionError("the master has become a replica") from error


class MasterConnection(_ToMaster, Connection):
    """TCP."""


class MasterSSLConnection(_ToMaster, SSLConnection):
    """TLS, to the Sentinels too."""


async def _refuse_replica(connection: Any) -> None:
    """A Sentinel that was cut off may still name the old master."""
    await connection.on_connect()
    await connection.send_command("INFO", "replication")
    if b"role:master" not in await connection.read_response():
        raise ConnectionError("what a Sentinel takes for the master is a replica")

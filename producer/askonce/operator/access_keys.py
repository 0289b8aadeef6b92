"""The keys of the front door, as an operator adds and removes them."""

import re

from askonce.closing import Closing
from askonce.contract.access_key import AccessKey, digest_of, new_token, read_key, write_key
from askonce.contract.keys import Keys
from askonce.payer import Payer
from askonce.settings import client_settings
from askonce.store.connection import Store

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class AccessKeys(Closing):
    """It has a connection of its own, which `async with` closes.

    Args:
        redis_url: Redis; ASKONCE_REDIS_URL where it is not given.
        key_prefix: of all keys in Redis; ASKONCE_KEY_PREFIX where it is not given.
    """

    def __init__(self, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        settings = client_settings({"redis_url": redis_url, "key_prefix": key_prefix})
        self._where = Keys(settings.key_prefix).front_door.access
        self._store = Store(settings.redis_url)

    async def add(self, name: str, *, namespace: str | None, rights: frozenset[str], payer: Payer | None = None) -> str:
        """Makes a key, and returns its token, which is nowhere kept. payer: its bound.

        Raises:
            ValueError: The name is malformed, or taken.
            StoreUnreachable: Redis does not answer.
        """
        if not NAME.fullmatch(name):
            raise ValueError("the name of a key is 1 to 64 of A-Z a-z 0-9 . _ @ -")
        token = new_token()
        [(seconds, _)] = await self._store.pipeline([("TIME",)])
        record = write_key(AccessKey(name, digest_of(token), namespace, rights, int(seconds), payer))
        # A call that is repeated after a lost reply finds its own record.
        [added, found] = await self._store.pipeline(
            [("HSETNX", self._where, name, record), ("HGET", self._where, name)]
        )
        if not added and found != record:
            raise ValueError(f"there is a key {name!r} already")
        return token

    async def remove(self, name: str) -> bool:
        """Whether there was such a key. Servers let it in for two seconds more. Raises StoreUnreachable."""
        [removed] = await self._store.pipeline([("HDEL", self._where, name)])
        return bool(removed)

    async def all(self) -> list[AccessKey]:
        """Those that this release can read, by name. Raises StoreUnreachable."""
        return [key for key in (await read_keys(self._store, self._where)).values() if key is not None]

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._store.aclose()


async def read_keys(store: Store, where: str) -> dict[str, AccessKey | None]:
    """By name; None: one that this release cannot read. Raises StoreUnreachable."""
    [reply] = await store.pipeline([("HGETALL", where)])
    records = dict(zip(reply[::2], reply[1::2], strict=True)) if isinstance(reply, list) else reply
    return {name.decode(): read_key(name.decode(), raw) for name, raw in sorted(records.items())}

"""Adding and removing front-door keys."""

import re

from askonce.contract.access_key import AccessKey, digest_of, new_token, read_key, write_key
from askonce.operator.installation import Installation
from askonce.payer import Payer
from askonce.store.connection import Store

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class AccessKeys(Installation):
    """The front-door keys of one installation."""

    async def add(self, name: str, *, namespace: str | None, rights: frozenset[str], payer: Payer | None = None) -> str:
        """Creates a key and returns its token, which is not stored anywhere. payer: its budget.

        Raises:
            ValueError: The name is malformed, or taken.
            StoreUnreachable: Redis does not answer.
        """
        if not NAME.fullmatch(name):
            raise ValueError("the name of a key must be 1 to 64 of A-Z a-z 0-9 . _ @ -")
        token = new_token()
        [(seconds, _)] = await self._store.pipeline([("TIME",)])
        record = write_key(AccessKey(name, digest_of(token), namespace, rights, int(seconds), payer))
        # A call repeated after a lost reply finds its own record.
        [added, found] = await self._store.pipeline(
            [("HSETNX", self._keys.front_door.access, name, record), ("HGET", self._keys.front_door.access, name)]
        )
        if not added and found != record:
            raise ValueError(f"there is a key {name!r} already")
        return token

    async def remove(self, name: str) -> bool:
        """Removes a key; whether it existed. Servers accept it for two more seconds. Raises StoreUnreachable."""
        [removed] = await self._store.pipeline([("HDEL", self._keys.front_door.access, name)])
        return bool(removed)

    async def all(self) -> list[AccessKey]:
        """The keys that this release can read, by name. Raises StoreUnreachable."""
        return [key for key in (await read_keys(self._store, self._keys.front_door.access)).values() if key is not None]


async def read_keys(store: Store, where: str) -> dict[str, AccessKey | None]:
    """All keys by name; None for a key that this release cannot read. Raises StoreUnreachable."""
    [reply] = await store.pipeline([("HGETALL", where)])
    records = dict(zip(reply[::2], reply[1::2], strict=True)) if isinstance(reply, list) else reply
    return {name.decode(): read_key(name.decode(), raw) for name, raw in sorted(records.items())}

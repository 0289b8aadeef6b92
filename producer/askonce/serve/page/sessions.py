"""Login sessions: one Redis record each, named by the digest of a token that only the browser has."""

import secrets

import orjson

from askonce.contract.access_key import AccessKey, digest_of
from askonce.contract.keys import Keys
from askonce.readable import read_object, text_of
from askonce.store.connection import Store

FORMAT = 1
LIFETIME = 12 * 3600
"""Seconds for which somebody stays logged in."""


def new_token() -> str:
    return secrets.token_urlsafe(32)


class Sessions:
    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys.front_door

    async def begin(self, key: AccessKey) -> str:
        """Begin a session. Returns its token. Raises StoreUnreachable."""
        token = new_token()
        record = orjson.dumps({"format": FORMAT, "key": key.digest})
        await self._store.pipeline([("SET", self._keys.session(digest_of(token)), record, "EX", LIFETIME)])
        return token

    async def key_of(self, token: str) -> str | None:
        """The digest of the key that was used to log in. Raises StoreUnreachable."""
        [raw] = await self._store.pipeline([("GET", self._keys.session(digest_of(token)))])
        try:
            record = {} if raw is None else read_object(raw)
            return text_of(record, "key") if record.get("format") == FORMAT else None
        except ValueError:
            return None

    async def end(self, token: str) -> None:
        """Raises StoreUnreachable."""
        await self._store.pipeline([("DEL", self._keys.session(digest_of(token)))])

"""Base of all operator views of an installation: its keys and its own connection."""

from askonce.closing import Closing
from askonce.contract.keys import Keys
from askonce.settings import client_settings
from askonce.store.connection import Store


class Installation(Closing):
    """Has its own connection, which `async with` closes.

    Args:
        redis_url: Redis; ASKONCE_REDIS_URL where it is not given.
        key_prefix: of all keys; ASKONCE_KEY_PREFIX where it is not given.
    """

    def __init__(self, redis_url: str | None = None, *, key_prefix: str | None = None) -> None:
        settings = client_settings({"redis_url": redis_url, "key_prefix": key_prefix})
        self._keys = Keys(settings.key_prefix)
        self._store = Store(settings.redis_url)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._store.aclose()

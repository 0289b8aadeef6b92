"""Who pays for a batch: the key it came with, in its current state whenever something is asked."""

import asyncio
import logging
from contextlib import suppress

from askonce.errors import AskOnceError
from askonce.operator.known_keys import FRESH, KnownKeys
from askonce.payer import Payer
from askonce.served.lease import Lease

log = logging.getLogger("askonce")


class Paying:
    """payer: of what is asked next."""

    def __init__(self, keys: KnownKeys, lease: Lease) -> None:
        self.payer: Payer | None = None
        self._keys, self._lease = keys, lease

    async def look(self) -> None:
        """Cancels the batch if its key is gone, or may no longer ask in its namespace. Raises AskOnceError."""
        record = self._lease.record
        if not record.key:
            return
        known = await self._keys.by_name()
        key = known.get(record.key)
        if key is None and record.key in known:
            raise AskOnceError(f"its key {record.key!r} can be read by a later release alone")
        if key is not None and "ask" in key.rights and key.namespace in (None, record.namespace):
            self.payer = key.payer
        elif not self._lease.cancelled.is_set():
            log.warning("%s: its key %r is gone, so it is cancelled", record.id, record.key)
            await self._lease.cancel()

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(FRESH)
            with suppress(AskOnceError):  # Redis is away: then its lease ends, or it comes back
                await self.look()

"""Who pays for a batch: the access key that created it, in its current state."""

import asyncio
import logging
from contextlib import suppress

from askonce.errors import AskOnceError
from askonce.operator.known_keys import FRESH, KnownKeys
from askonce.payer import Payer
from askonce.served.lease import Lease

log = logging.getLogger("askonce")


class Paying:
    """payer: pays for the next questions."""

    def __init__(self, keys: KnownKeys, lease: Lease) -> None:
        self.payer: Payer | None = None
        self._keys, self._lease = keys, lease

    async def look(self) -> None:
        """Cancel the batch if its key is gone, or may no longer ask in its namespace. Raises AskOnceError."""
        record = self._lease.record
        if not record.key:
            return
        known = await self._keys.by_name()
        key = known.get(record.key)
        if key is None and record.key in known:
            raise AskOnceError(f"its key {record.key!r} can only be read by a later release")
        if key is not None and "ask" in key.rights and key.namespace in (None, record.namespace):
            self.payer = key.payer
        elif not self._lease.cancelled.is_set():
            log.warning("%s: its key %r is gone, so it is cancelled", record.id, record.key)
            await self._lease.cancel()

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(FRESH)
            with suppress(AskOnceError):  # Redis is unreachable: it comes back, or the lease ends
                await self.look()

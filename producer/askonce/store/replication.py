"""Writes that must survive a failover: they wait until a replica has them, too."""

import logging
from dataclasses import dataclass
from typing import Any

from askonce.errors import StoreUnreachable
from askonce.store.away import passes
from askonce.store.wire import Command, Wire

log = logging.getLogger("askonce")

REPLICA_MS = 2000
"""How long a write waits for a replica; less than for a reply."""
WAIT: Command = ("WAIT", 1, REPLICA_MS)


@dataclass(frozen=True, slots=True)
class Replicated:
    """value: the script's reply. confirmed: whether a replica has what it wrote; True if there are no replicas."""

    value: Any
    confirmed: bool


async def is_confirmed(wire: Wire) -> bool:
    """Whether a replica has what this connection wrote. (Redis counts writes by connection.)"""
    try:
        (replicas,) = await wire.send([WAIT])
    except StoreUnreachable as error:
        if passes(error):
            raise
        return False  # this user, or this provider, has no WAIT
    return bool(replicas)


def warn_unless_replicated(written: Replicated, what: str) -> None:
    if not written.confirmed:
        log.warning("no Redis replica has confirmed %s: a failover now could undo it", what)

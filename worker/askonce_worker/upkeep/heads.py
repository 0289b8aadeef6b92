"""The beginnings of many entries, in one round trip."""

from collections.abc import Sequence
from typing import Any

from askonce.contract.keys import Keys
from askonce.store.scripts import Script

HEADS = Script("askonce_worker.upkeep", "heads")


async def beginnings(redis: Any, keys: Keys, names: Sequence[str], size: int) -> tuple[int, list[bytes]]:
    """Redis's Unix seconds, and the first `size` bytes of each entry; b"" if there is none. The time is read first."""
    now, *begins = await HEADS(redis, [], [keys.entry(""), size, *names])
    return now, begins

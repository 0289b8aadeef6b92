"""Reads values of many keys in replies of bounded size: a reply of gigabytes would block Redis and fill memory."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from askonce.store.connection import ScriptCall, Store
from askonce.store.scripts import Script

FETCH = Script("askonce", "fetch")

MOST_KEYS = 500
MOST_BYTES = 8 * 2**20
"""In one reply. A single value may be larger."""

K = TypeVar("K")


def fetch_call(keys: Sequence[str]) -> ScriptCall:
    """The reply has for each key its value, None if there is none, or 0 if it was not read and must be requested
    again."""
    return ScriptCall(FETCH, [], [MOST_BYTES, *keys])


async def fetched(store: Store, keys: Sequence[str]) -> AsyncIterator[tuple[str, bytes | None]]:
    """Each key with its value, those of one reply after those of another."""
    waiting = list(keys)
    while waiting:
        part, waiting = waiting[:MOST_KEYS], waiting[MOST_KEYS:]
        (values,) = await store.pipeline([fetch_call(part)])
        again, found = unread(part, values)
        waiting[:0] = again
        for key, value in found:
            yield key, value


def unread(asked: Sequence[K], values: Sequence[bytes | int | None]) -> tuple[list[K], list[tuple[K, bytes | None]]]:
    """Keys to read again, and keys that were read, with their values."""
    again, found = [], []
    for key, value in zip(asked, values, strict=True):
        if isinstance(value, int):
            again.append(key)
        else:
            found.append((key, value))
    return again, found

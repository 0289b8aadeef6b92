"""Reads many entries, or markers, with a bound on the bytes of each reply.

Redis serves no other client while it builds a reply, so entries that would make it too large take further calls.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from askonce.contract.keys import Keys
from askonce.store.scripts import Script, load

ENTRIES = Script("askonce_worker.cache", "entries")
MARKERS = Script("askonce_worker.cache", "markers")

MOST_BYTES = 4_194_304
"""Maximum bytes of entries in one reply; a larger entry comes alone."""
SMALL = 65_536
"""Maximum bytes of an entry in the first reply. Almost all are smaller and can be read with one command."""
MARKER_BYTES = 65_536
"""Bytes read under a job id: a whole pending marker, or the beginning of an answer."""


class EntryReader:
    def __init__(self, redis: Redis, keys: Keys, most: int = MOST_BYTES) -> None:
        self._redis = redis
        self._keys = keys
        self._most = most

    def ask_entries(self, pipe: Any, fingerprints: Sequence[str]) -> None:
        """Adds one command to a pipeline. Its reply is for `complete`."""
        if len(fingerprints) == 1:
            pipe.getrange(self._keys.entry(fingerprints[0]), 0, SMALL)
        else:
            self._ask(pipe, fingerprints, SMALL)

    def ask_markers(self, pipe: Any, namespace: str, job_ids: Sequence[str]) -> None:
        """Adds one command to a pipeline. Its reply has the beginning of each marker or answer."""
        pipe.evalsha(MARKERS.sha, 0, self._keys.result(namespace, ""), MARKER_BYTES, *job_ids)

    async def run(self, fill: Callable[[Any], None]) -> list[Any]:
        """Runs a pipeline. Loads scripts that Redis does not know."""
        try:
            return await self._run_once(fill)
        except NoScriptError:
            await load(self._redis, ENTRIES, MARKERS)
            return await self._run_once(fill)

    async def _run_once(self, fill: Callable[[Any], None]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        fill(pipe)
        replies = [_unless_foreign(reply) for reply in await pipe.execute(raise_on_error=False)]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    async def complete(self, fingerprints: Sequence[str], reply: list[Any] | bytes | None) -> list[bytes | None]:
        """All entries, including those left out of the reply because of their size."""
        found: list[Any] = list(reply) if isinstance(reply, list) else [_single(reply)]
        while left := [at for at, entry in enumerate(found) if isinstance(entry, int)]:
            [more] = await self.run(partial(self._ask, fingerprints=[fingerprints[at] for at in left], most=0))
            for at, entry in zip(left, more, strict=True):
                found[at] = entry
        return found

    def _ask(self, pipe: Any, fingerprints: Sequence[str], most: int) -> None:
        pipe.evalsha(ENTRIES.sha, 0, self._keys.entry(""), self._most, most, *fingerprints)


def _unless_foreign(reply: Any) -> Any:
    """The reply, or None for a key that is not a string and so not ours."""
    return None if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE") else reply


def _single(found: bytes | None) -> bytes | int | None:
    """One entry as the script returns it: the entry, its size if too large, or None."""
    if not found:
        return None
    return found if len(found) <= SMALL else len(found)

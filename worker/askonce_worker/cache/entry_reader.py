"""Reads many entries, or markers, with a bound on the bytes of each reply.

Redis serves no other client while it builds a reply. Entries that would make it too large take further calls.
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
"""Of the entries in one reply; a larger one comes alone."""
SMALL = 65_536
"""Bytes of an entry that comes with the first reply: almost all are smaller, and one command reads such a one."""
MARKER_BYTES = 65_536
"""Of what stands under a job id: all of a pending marker, the beginning of an answer."""


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
        """Adds one command to a pipeline. It replies with what each marker, or answer, begins with."""
        pipe.evalsha(MARKERS.sha, 0, self._keys.result(namespace, ""), MARKER_BYTES, *job_ids)

    async def run(self, fill: Callable[[Any], None]) -> list[Any]:
        """Runs a pipeline. Loads the scripts where Redis does not know them."""
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
        """The entries, those too that were left out of the reply for their size."""
        found: list[Any] = list(reply) if isinstance(reply, list) else [_single(reply)]
        while left := [at for at, entry in enumerate(found) if isinstance(entry, int)]:
            [more] = await self.run(partial(self._ask, fingerprints=[fingerprints[at] for at in left], most=0))
            for at, entry in zip(left, more, strict=True):
                found[at] = entry
        return found

    def _ask(self, pipe: Any, fingerprints: Sequence[str], most: int) -> None:
        pipe.evalsha(ENTRIES.sha, 0, self._keys.entry(""), self._most, most, *fingerprints)


def _unless_foreign(reply: Any) -> Any:
    """None for what is no string: nothing of ours."""
    return None if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE") else reply


def _single(found: bytes | None) -> bytes | int | None:
    """As the script has it: the entry, its size where that is too large, or None."""
    if not found:
        return None
    return found if len(found) <= SMALL else len(found)

"""The longest answer of each model so far, over all workers, from which the cost of unbounded answers is guessed."""

import asyncio

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script

log = structlog.get_logger()

KEEP_LONGEST = Script("askonce_worker.providers", "keep_longest")


class LongestAnswers:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.budgets.longest
        self._known: dict[str, int] = {}
        self._saving: set[asyncio.Task[None]] = set()

    def of(self, model: str) -> int | None:
        """Tokens; None if this worker knows of no answer."""
        return self._known.get(model)

    async def look_up(self, model: str) -> int | None:
        """Reads what other workers know, if this one knows nothing."""
        if model not in self._known:
            found = await self._redis.hget(self._key, model)  # type: ignore[misc]
            if found is not None and found.isdigit():
                self._known[model] = max(int(found), self._known.get(model, 0))
        return self.of(model)

    def learn(self, model: str, tokens: int) -> None:
        """Records an answer's tokens, in the background."""
        if tokens > self._known.get(model, 0):
            self._known[model] = tokens
            task = asyncio.create_task(self._save(model, tokens))
            self._saving.add(task)
            task.add_done_callback(self._saving.discard)

    async def aclose(self) -> None:
        if self._saving:
            await asyncio.wait(self._saving)

    async def _save(self, model: str, tokens: int) -> None:
        try:
            await KEEP_LONGEST(self._redis, [self._key], [model, tokens])
        except TROUBLE as error:  # the next longer answer repeats it
            log.warning("budget.longest_not_kept", cause=type(error).__name__)

"""How many tokens a call may take: a prompt is estimated by its length, an answer by its request's limit, or else by
the longest one of its model so far, over all workers.
"""

import asyncio

import structlog
from redis.asyncio import Redis

from askonce.contract.keys import Keys
from askonce.prices.counts import as_count, completion_limit
from askonce.question import Question
from askonce.store.away import TROUBLE
from askonce.store.scripts import Script

log = structlog.get_logger()

KEEP_LONGEST = Script("askonce_worker.providers", "keep_longest")

FIRST_GUESS = 500
"""Assumed tokens of an answer until the model has answered."""
TOKEN_BYTES = 4


class LongestAnswers:
    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.budgets.longest
        self._known: dict[str, int] = {}
        self._saving: set[asyncio.Task[None]] = set()

    def of(self, model: str) -> int | None:
        """Tokens; None if this worker knows of no answer."""
        return self._known.get(model)

    def tokens_of(self, question: Question, size: int) -> tuple[int, int, int]:
        """Tokens of a request of this many bytes: read, read from the provider's cache, written."""
        most = _limit_of(question) or self.of(question.model or "") or FIRST_GUESS
        return size // TOKEN_BYTES + 1, 0, most * max(1, as_count(question.params.get("n")))

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


def is_limited(question: Question) -> bool:
    """Whether its request limits the answer."""
    return bool(_limit_of(question))


def _limit_of(question: Question) -> int:
    return as_count(completion_limit(question.params))

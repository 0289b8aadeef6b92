"""When to poll each batch next. Kept in this process only: a new holder of the lock polls at once."""

import asyncio
from collections.abc import Callable

from askonce_worker.providers.retry import Backoff


class Pauses:
    """first, most: seconds between polls of a running batch, which grow with its age."""

    def __init__(self, random: Callable[[], float], *, first: float = 1.0, most: float = 60.0) -> None:
        self._backoff = Backoff(random, least=first, most=most * 10, factor=2.0)
        self._first = first
        self._most = most
        self._until: dict[str, float] = {}
        self._failed: dict[str, int] = {}
        self._since: dict[str, tuple[str, float]] = {}

    def is_over(self, name: str) -> bool:
        return self._now() >= self._until.get(name, 0.0)

    def looked(self, name: str, age: float) -> None:
        """A poll succeeded. age: seconds since the batch was created."""
        self._failed.pop(name, None)
        self._since.pop(name, None)
        self._until[name] = self._now() + min(self._most, max(self._first, age / 10))

    def pause(self, name: str, asked: float | None) -> None:
        """A request failed. asked: the provider's Retry-After."""
        failed = self._failed[name] = self._failed.get(name, 0) + 1
        self._until[name] = self._now() + self._backoff.pause(min(failed, 10), asked)

    def lasts(self, name: str, kind: str) -> float:
        """Seconds during which only failures of this kind occurred; must be called for each."""
        known, since = self._since.get(name, ("", 0.0))
        if known != kind:
            since = self._now()
            self._since[name] = (kind, since)
        return self._now() - since

    def forget(self, names: set[str]) -> None:
        """Forgets all batches except these."""
        gone = (self._until.keys() | self._failed.keys() | self._since.keys()) - names
        for name in gone:
            self._until.pop(name, None)
            self._failed.pop(name, None)
            self._since.pop(name, None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

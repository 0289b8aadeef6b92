"""A queue that groups questions of one scope, whose common prefix is then in the provider's cache."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

RUN = 64
"""Maximum consecutive questions of one scope while others wait."""


class ScopedLine(Generic[T]):
    """First come, first served, except that the last one's scope goes first; scopes with many questions take turns."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}
        self._scope = ""
        self._row = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def append(self, item: T, scope: str) -> None:
        self._waiting.setdefault(scope, deque()).append(item)

    def popleft(self) -> T:
        """The queue must not be empty."""
        if self._scope not in self._waiting or self._row >= RUN:
            self._next_scope()
        self._row += 1
        item = self._waiting[self._scope].popleft()
        self._forget_if_empty(self._scope)
        return item

    def remove(self, item: T, scope: str) -> None:
        self._waiting[scope].remove(item)
        self._forget_if_empty(scope)

    def _next_scope(self) -> None:
        if self._scope in self._waiting:
            self._waiting[self._scope] = self._waiting.pop(self._scope)  # behind the others
        self._scope, self._row = next(iter(self._waiting)), 0

    def _forget_if_empty(self, scope: str) -> None:
        if not self._waiting[scope]:
            del self._waiting[scope]

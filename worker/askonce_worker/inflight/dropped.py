"""Answers recently dropped from the cache.

The feed lags by up to a second, so records read later may concern answers that settled before the drop.
"""

MOST = 1000


class Dropped:
    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def add(self, fingerprint: str, at: float) -> None:
        """at: Unix ms of Redis's clock."""
        self._at.pop(fingerprint, None)
        self._at[fingerprint] = at
        if len(self._at) > MOST:
            del self._at[next(iter(self._at))]

    def includes(self, fingerprint: str, settled_at: float) -> bool:
        """Whether they include an answer to this question that settled at that time."""
        return settled_at <= self._at.get(fingerprint, -1.0)

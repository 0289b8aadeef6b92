"""The answers that were dropped from the cache lately.

The feed is behind by less than a second: what is read of such an answer afterwards may have been settled before.
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
        """Whether an answer to this question that was settled then is among them."""
        return settled_at <= self._at.get(fingerprint, -1.0)

"""One worker's copy of the question pairs reported as wrong hits.

There are few, and they rarely change. They must be known before the next question is matched, and matching reads
nothing from Redis. So each worker keeps all of them, and the first round trip of each chunk fetches new ones. No chunk
that begins after a report matches its pair again.
"""

from collections.abc import Callable
from typing import Any

from askonce.contract.keys import Keys
from askonce.fingerprint import fingerprint
from askonce.question import Question
from askonce.readable import read_object
from askonce_worker.logs.unreadable import Refusals

PAGE = 1000


class ReportedPairs:
    """on_dropped: called with the fingerprint of each entry that was dropped with a report, and when (Unix ms)."""

    def __init__(self, keys: Keys, refusals: Refusals | None = None) -> None:
        self._refusals = refusals or Refusals()
        self.on_dropped: Callable[[str, float], None] = lambda _, __: None
        self._keys = keys
        self._pairs: set[frozenset[str]] = set()
        self._after = {keys.wrong: 0.0, keys.dropped: 0.0}

    def __call__(self, fingerprint: str, other: str) -> bool:
        """Whether these two were reported."""
        return bool(self._pairs) and frozenset((fingerprint, other)) in self._pairs

    def has(self, question: Question, text: str) -> bool:
        """Whether this question and another one of its scope were reported. text: the other's."""
        return bool(self._pairs) and self(question.fingerprint, fingerprint(question.scope, text))

    def ask(self, pipe: Any) -> None:
        """Adds two commands to a pipeline that fetch what is new."""
        for key, after in self._after.items():
            pipe.zrangebyscore(key, f"({after:.0f}", "+inf", start=0, num=PAGE, withscores=True)

    def is_current(self, wrong: bytes, dropped: bytes) -> bool:
        """Whether nothing was added after these last ones ('' for none)."""
        newest = {self._keys.wrong: wrong, self._keys.dropped: dropped}
        return all(not last or float(last) <= self._after[key] for key, last in newest.items())

    def take(self, wrong: list[tuple[bytes, float]], dropped: list[tuple[bytes, float]]) -> bool:
        """Applies the replies. True: there is more."""
        for member, _ in wrong:
            self._add(member)
        for entry, micros in dropped:
            self.on_dropped(entry.decode("utf-8", "replace"), micros / 1000)
        for key, page in ((self._keys.wrong, wrong), (self._keys.dropped, dropped)):
            if page:
                self._after[key] = max(self._after[key], page[-1][1])
        return max(len(wrong), len(dropped)) == PAGE

    def _add(self, member: bytes) -> None:
        try:
            first, second = read_object(member)["pair"]
            self._pairs.add(frozenset((first, second)))
        except (ValueError, KeyError, TypeError):
            self._refusals("wrong")

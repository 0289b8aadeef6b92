"""Detects an embedding server that gives different texts the same vector, which would match anything. Pure.

A vector that another text has had is never used. If that happens repeatedly, no vector is used until the server
distinguishes texts again.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import numpy as np

from askonce_worker.answering.ports import Vector
from askonce_worker.matching.sameness import words_of

REMEMBERED = 2048
"""Number of remembered vectors with which new ones are compared."""
WINDOW = 64
MANY = 3
"""Shared vectors among the last `WINDOW` at which none is used any more."""
DISTINCT = 16
"""Consecutive vectors that must differ before they are used again."""


class Twins:
    """is_broken: the server does not distinguish texts."""

    def __init__(self) -> None:
        self.is_broken = False
        self._words: OrderedDict[bytes, str] = OrderedDict()
        self._shared: deque[bool] = deque(maxlen=WINDOW)

    def check(self, texts: Sequence[str], vectors: Sequence[Vector | None]) -> list[bool]:
        """For each vector whether it may be used."""
        shared = [
            name is not None and self._is_shared(text, name) for text, name in zip(texts, _names(vectors), strict=True)
        ]
        self._shared.extend(each for each, vector in zip(shared, vectors, strict=True) if vector is not None)
        if self.is_broken:
            last = list(self._shared)[-DISTINCT:]
            if len(last) == DISTINCT and not any(last):
                self.is_broken = False
                self._shared.clear()
        elif sum(self._shared) >= MANY:
            self.is_broken = True
        return [not (self.is_broken or each) for each in shared]

    def _is_shared(self, text: str, name: bytes) -> bool:
        words = words_of(text)
        first = self._words.setdefault(name, words)
        if len(self._words) > REMEMBERED:
            self._words.popitem(last=False)
        return first != words


def _names(vectors: Sequence[Vector | None]) -> Iterator[bytes | None]:
    """Names for comparing vectors, without their last digits: a server may round differently in another batch."""
    found = [vector for vector in vectors if vector is not None]
    rounded = iter(np.rint(np.stack(found) * 1000).astype(np.int16) if found else ())
    for vector in vectors:
        yield None if vector is None else blake2b(next(rounded).tobytes(), digest_size=16).digest()

"""The vectors of recent texts, so that a repeated paraphrase is not embedded again."""

from collections import OrderedDict

from askonce_worker.answering.ports import Vector

MOST_BYTES = 33_554_432
OVERHEAD = 300
"""Overhead in bytes of an item, besides its characters and the vector."""


class VectorMemory:
    """An LRU cache of at most `most` bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    def get(self, text: str) -> Vector | None:
        vector = self._vectors.get(text)
        if vector is not None:
            self._vectors.move_to_end(text)
        return vector

    def add(self, text: str, vector: Vector) -> None:
        old = self._vectors.pop(text, None)
        if old is not None:
            self._bytes -= _size(text, old)
        self._vectors[text] = vector
        self._bytes += _size(text, vector)
        while self._bytes > self._most:
            gone, oldest = self._vectors.popitem(last=False)
            self._bytes -= _size(gone, oldest)

    def clear(self) -> None:
        self._vectors.clear()
        self._bytes = 0


def _size(text: str, vector: Vector) -> int:
    return 2 * len(text) + vector.nbytes + OVERHEAD

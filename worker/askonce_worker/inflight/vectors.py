"""Vectors with 8 bits per component, compared exactly: the similarity of two records does not depend on how it is
computed.

A component is an integer, and no vector is longer than `LONGEST`. So (Cauchy-Schwarz) every partial sum of a dot
product is an integer below 2**24, which float32 represents exactly: BLAS may add in any order, over any layout, and the
result is the same to the last bit. The similarity of the rounded vectors differs from the true one by less than 0.001,
and near a threshold (0.9 and above) by less than 0.0003.
"""

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Float32 = NDArray[np.float32]

LONGEST = 4000.0
SLACK = 1e-4
"""Allowance for float32 rounding of a bound: an extra candidate is harmless, a missing one is not."""


def quantised(vector: Float32) -> Int8 | None:
    """The 8-bit vector. None if it has no direction: zero, NaN, infinity."""
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0:
        return None
    scale = min(127 / float(np.abs(vector).max()), LONGEST / length)
    rounded: Int8 = np.rint(vector * scale).astype(np.int8)
    return rounded


class Rows:
    """The vectors of named leaders as one matrix, so that one product finds all near neighbours.

    A quarter of the components rules out most rows, because the rest adds at most the product of its norms.
    """

    def __init__(self, dimensions: int) -> None:
        self.names: list[str] = []
        self._row: dict[str, int] = {}
        self._head = max(1, dimensions // 4)
        self._heads = np.empty((16, self._head), np.float32)
        self._matrix = np.empty((16, dimensions), np.float32)
        self._squares = np.empty(16, np.float64)
        self._lengths = np.empty(16, np.float32)
        self._rests = np.empty(16, np.float32)

    def add(self, name: str, vector: Int8) -> None:
        row = len(self.names)
        if row == len(self._matrix):
            self._grow()
        values = vector.astype(np.float32)
        rest = values[self._head :]
        self._heads[row] = values[: self._head]
        self._matrix[row] = values
        self._squares[row] = values @ values
        self._lengths[row] = self._squares[row] ** 0.5
        self._rests[row] = (rest @ rest) ** 0.5
        self._row[name] = row
        self.names.append(name)

    def remove(self, name: str) -> None:
        """Removes a row; the last row takes its place."""
        row = self._row.pop(name)
        last = self.names.pop()
        if last != name:
            self.names[row] = last
            self._row[last] = row
            end = len(self.names)
            for array in (self._heads, self._matrix, self._squares, self._lengths, self._rests):
                array[row] = array[end]

    def near(self, vectors: list[Int8], least: list[float]) -> list[list[tuple[float, str]]]:
        """For each vector, the names with at least this cosine similarity, most similar first."""
        count = len(self.names)
        sought = np.stack(vectors).astype(np.float32)
        lengths = np.sqrt(np.einsum("ij,ij->i", sought, sought))
        tails = sought[:, self._head :]
        rests = np.sqrt(np.einsum("ij,ij->i", tails, tails))
        bounds = sought[:, : self._head] @ self._heads[:count].T
        bounds += rests[:, None] * self._rests[:count]
        floors = lengths * (np.asarray(least, np.float32) - np.float32(SLACK))
        possible = bounds >= floors[:, None] * self._lengths[:count]
        return [
            self._exactly(sought[at], np.flatnonzero(possible[at]), least[at]) if some else []
            for at, some in enumerate(possible.any(axis=1))
        ]

    def _exactly(self, vector: Float32, rows: NDArray[np.intp], threshold: float) -> list[tuple[float, str]]:
        if len(rows) * 4 < len(self.names):
            products = self._matrix[rows] @ vector
        else:
            products = (self._matrix[: len(self.names)] @ vector)[rows]
        similarities = products / np.sqrt(self._squares[rows] * float(vector @ vector))
        nearest = np.argsort(-similarities, kind="stable")
        return [(float(similarities[at]), self.names[rows[at]]) for at in nearest if similarities[at] >= threshold]

    def _grow(self) -> None:
        self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
        self._heads = np.concatenate([self._heads, np.empty_like(self._heads)])
        self._squares = np.concatenate([self._squares, np.empty_like(self._squares)])
        self._lengths = np.concatenate([self._lengths, np.empty_like(self._lengths)])
        self._rests = np.concatenate([self._rests, np.empty_like(self._rests)])

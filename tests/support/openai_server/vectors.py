"""Deterministic embeddings with similarities that a test can choose.

- Bag of words: every word has its own random direction, a text is their sum (plus a little of its own), so texts of
  the same words are near and texts with no word in common are about orthogonal. Every CJK character is a word.
- `[g17]` anywhere in the text: all texts with this tag have a cosine of about 0.98 to each other, and about 0 to all
  others, whatever their words. `[g17:0.95]` chooses the cosine.
- `[g3/40/17]` stands in groups within groups: two texts of 3/40 have a cosine of about 0.65, two of 3 of about 0.33.
"""

import re
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[a-z0-9_]+|[^\W\d_a-z]")
TAG = re.compile(r"\[g([^:\]]+)(?::([\d.]+))?\]")
ROWS = 4096
OWN = 0.05
"""How much of a text's square length is its own, where words decide."""


@lru_cache(maxsize=8)
def _pools(dimensions: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(17)
    signs = generator.integers(0, 2, (2, ROWS, dimensions)).astype(np.float32) * 2 - 1
    return generator.standard_normal((ROWS, dimensions), dtype=np.float32), signs[0], signs[1]


@lru_cache(maxsize=100_000)
def _seed(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _directions(names: list[str], dimensions: int) -> NDArray[np.float32]:
    """One unit vector a name: a row of random numbers under two rows of random signs, 2**36 of them in all."""
    normals, first, second = _pools(dimensions)
    seeds = np.fromiter((_seed(name) for name in names), np.uint64, len(names))
    rows = normals[seeds % ROWS] * first[seeds // ROWS % ROWS] * second[seeds // ROWS**2 % ROWS]
    return _normalised(rows)


class Words:
    """The directions of the words seen so far, in one matrix: most texts are made of the same few words."""

    CAPACITY = 20_000

    def __init__(self, dimensions: int) -> None:
        self._matrix = np.empty((self.CAPACITY, dimensions), dtype=np.float32)
        self._rows: dict[str, int] = {}

    def sums(self, texts: list[list[str]]) -> NDArray[np.float32]:
        """For each text the sum of its words' directions. (By length: `add.reduceat` takes ten times as long.)"""
        self._learn(list(dict.fromkeys(word for words in texts for word in words)))
        sums = np.empty((len(texts), self._matrix.shape[1]), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        for index, words in enumerate(texts):
            by_length.setdefault(len(words), []).append(index)
        for indexes in by_length.values():
            rows = np.array([[self._rows[word] for word in texts[index]] for index in indexes])
            sums[indexes] = self._matrix[rows].sum(axis=1)
        return sums

    def _learn(self, words: list[str]) -> None:
        rows = self._rows
        new = [word for word in words if word not in rows]
        if len(rows) + len(new) > len(self._matrix):
            rows.clear()
            new = words
        if len(new) > len(self._matrix):
            self._matrix = np.empty((len(new), self._matrix.shape[1]), dtype=np.float32)
        if new:
            self._matrix[len(rows) : len(rows) + len(new)] = _directions(new, self._matrix.shape[1])
            rows.update(zip(new, range(len(rows), len(rows) + len(new)), strict=True))


_words = lru_cache(maxsize=4)(Words)


def _normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]


def _meaning(text: str) -> tuple[list[str], float]:
    """The words that decide, and the cosine that two texts of these same words have."""
    tag = TAG.search(text)
    if tag:
        steps = tag[1].split("/")
        return [f"group {'/'.join(steps[: depth + 1])}" for depth in range(len(steps))], float(tag[2] or 0.98)
    return WORD.findall(text.lower()) or [text], 1 - OWN


def vectors(texts: list[str], dimensions: int) -> NDArray[np.float32]:
    """One unit vector a text."""
    meanings = [_meaning(text) for text in texts]
    shared = _normalised(_words(dimensions).sums([names for names, _ in meanings]))
    own = _directions([f"own {text}" for text in texts], dimensions)
    own = _normalised(own - np.einsum("ij,ij->i", own, shared)[:, None] * shared)
    weights = np.array([cosine for _, cosine in meanings], dtype=np.float32)[:, None]
    return np.sqrt(weights) * shared + np.sqrt(1 - weights) * own

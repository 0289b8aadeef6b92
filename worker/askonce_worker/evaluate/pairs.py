"""Labelled pairs of questions: JSON lines or CSV, with `a`, `b` and `same` (one answer serves both)."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.rows import BadRows, rows_of

_TRUE = frozenset({"1", "true", "yes", "same"})
_FALSE = frozenset({"0", "false", "no", "different"})


@dataclass(frozen=True, slots=True)
class Pair:
    a: str
    b: str
    same: bool


def read_pairs(path: Path) -> list[Pair]:
    """Unlabelled rows (`"same": null`) are skipped. Raises BadRows."""
    pairs = []
    for number, row in rows_of(path):
        if row is not None and "same" in row and row["same"] is None:
            continue
        pair = _pair(row)
        if pair is None:
            raise BadRows(f'{path.name}, line {number}: a row needs texts "a" and "b", and "same" true or false')
        pairs.append(pair)
    return pairs


def together(files: Mapping[str, list[Pair]]) -> dict[str, list[Pair]]:
    """Merge the files whose pairs are all of one kind; leave the others as they are. Raises BadRows."""
    one_kind = [name for name, pairs in files.items() if len({pair.same for pair in pairs}) < 2]
    joined = {name: pairs for name, pairs in files.items() if name not in one_kind}
    if one_kind:
        joined[" + ".join(one_kind)] = [pair for name in one_kind for pair in files[name]]
    for name, pairs in joined.items():
        if len({pair.same for pair in pairs}) < 2:
            raise BadRows(f'{name}: pairs of both kinds are needed, "same" true and false')
    return joined


def _pair(row: Any) -> Pair | None:
    if not isinstance(row, dict):
        return None
    a, b, same = row.get("a"), row.get("b"), str(row.get("same")).strip().lower()
    if not isinstance(a, str) or not isinstance(b, str) or not a.strip() or not b.strip():
        return None
    return Pair(a, b, same in _TRUE) if same in _TRUE | _FALSE else None


def held_out(files: Mapping[str, Sequence[Pair]], seed: int) -> dict[str, NDArray[np.bool_]]:
    """A mask of about half of each file's pairs: True for those that are not used to choose the threshold.

    Pairs that share a text, directly or through others, form a group and stay together: a threshold must not be
    measured on texts that it was chosen on. A hash of the group's first pair decides, so the order of rows does not
    matter.
    """
    groups = _Groups()
    for pair in _all(files):
        groups.join(pair.a, pair.b)
    first: dict[str, tuple[str, str]] = {}
    for pair in _all(files):
        group, texts = groups.of(pair.a), (min(pair.a, pair.b), max(pair.a, pair.b))
        first[group] = min(first.get(group, texts), texts)
    chosen = {group: _coin(f"{seed}\n{a}\n{b}") for group, (a, b) in first.items()}
    return {
        name: np.array([chosen[groups.of(pair.a)] for pair in pairs], dtype=np.bool_) for name, pairs in files.items()
    }


def _all(files: Mapping[str, Sequence[Pair]]) -> Iterator[Pair]:
    return (pair for pairs in files.values() for pair in pairs)


def _coin(text: str) -> bool:
    return bool(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[0] & 1)


class _Groups:
    """Which texts are connected (union-find with path halving)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def of(self, text: str) -> str:
        """The text that represents its group."""
        parent = self._parent
        parent.setdefault(text, text)
        while parent[text] != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    def join(self, a: str, b: str) -> None:
        self._parent[self.of(a)] = self.of(b)

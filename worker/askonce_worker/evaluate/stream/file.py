"""Labelled streams of questions: JSON lines with `text` and `label`, or CSV with `text` and `label` or `category`.

Questions with the same label have the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askonce_worker.evaluate.rows import BadRows, rows_of

LABELS = ("label", "category")
RUNS = 1.5
"""Runs per label. Traffic has many, by chance; a file with hardly more runs than labels is sorted by label."""


@dataclass(frozen=True, slots=True)
class Stream:
    """texts, labels: in the order in which they were asked."""

    name: str
    texts: list[str]
    labels: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.texts)

    def in_order(self, order: NDArray[np.intp]) -> "Stream":
        return Stream(self.name, [self.texts[at] for at in order], self.labels[order])

    def part(self, chosen: NDArray[np.bool_]) -> "Stream":
        return self.in_order(np.flatnonzero(chosen))

    def is_sorted_by_label(self) -> bool:
        """Whether the rows are sorted by label, as real traffic never is."""
        runs = 1 + int((self.labels[1:] != self.labels[:-1]).sum())
        return len(np.unique(self.labels)) < len(self) / RUNS and runs < RUNS * len(np.unique(self.labels))


def read_stream(path: Path) -> Stream:
    """Raises BadRows."""
    texts, names = [], []
    for number, row in rows_of(path):
        found = _question(row)
        if found is None:
            raise BadRows(f'{path.name}, line {number}: a row needs "text" and "label"')
        texts.append(found[0])
        names.append(found[1])
    if not texts:
        raise BadRows(f"{path.name}: the file has no questions")
    return Stream(path.name, texts, _numbered(names))


def _question(row: Any) -> tuple[str, str] | None:
    if not isinstance(row, dict):
        return None
    text = row.get("text")
    label = next((row[name] for name in LABELS if row.get(name) is not None), None)
    if not isinstance(text, str) or not text.strip() or not isinstance(label, str | int) or isinstance(label, bool):
        return None
    return (text, str(label)) if str(label).strip() else None


def _numbered(names: Sequence[str]) -> NDArray[np.intp]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)
